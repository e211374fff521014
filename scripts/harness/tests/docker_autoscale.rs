//! The number of web apps follows the traffic, on real containers: by autoscale-run on the host, and by the profile
//! `autoscale`.
//!
//! Each visitor sends his next request as soon as the last is answered, and each web app takes 300 ms. So the sessions
//! are as many as the visitors, and the formula gives one number: visitors / target.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::process::Command;
use std::time::{Duration, Instant};

use harness::daemons::docker::{ComposeCluster, Container, UP};
use harness::run::daemon::Daemon;
use harness::run::{Run, poll, programs};
use harness::traffic::http::Client;
use harness::traffic::load::{Load, Rate};

const SOON: Duration = Duration::from_secs(30);
/// Few visitors, who need one server, and eight times as many, who need four.
const FEW: usize = 2;
const MANY: usize = 8 * FEW;
/// The windows are shorter than the defaults, so that the test does not take ten minutes.
const SETTINGS: &str = "--target 4 --min 1 --max 9 --down-window 10s --down-period 1s -v";

fn visitors(cluster: &ComposeCluster, visitors: usize) -> Load {
    Load::patient(cluster.front(), "/", Rate { visitors, every: Duration::ZERO }, SOON)
}

/// The web apps that this test has slowed down.
#[derive(Default)]
struct Slowed(Vec<Container>);

impl Slowed {
    /// Slows down those that are new and listen; returns how many containers of web apps run.
    fn look(&mut self, cluster: &ComposeCluster) -> usize {
        let backends = cluster.backends().unwrap();
        for backend in &backends {
            if !self.0.contains(backend) && slow_down(backend).is_some() {
                self.0.push(backend.clone());
            }
        }
        backends.len()
    }

    /// Looks until this many run; at each look the number is between both.
    fn wait_for(&mut self, cluster: &ComposeCluster, from: usize, to: usize) {
        let (low, high) = (from.min(to), from.max(to));
        let reached = || {
            let count = self.look(cluster);
            assert!((low..=high).contains(&count), "{count} web apps, not {low} to {high}");
            (count == to).then_some(())
        };
        poll::until(4 * SOON, &format!("{to} web apps"), reached).unwrap();
    }
}

fn slow_down(backend: &Container) -> Option<()> {
    let address = (backend.address().ok()??, 3000).into();
    let headers = [("Content-Type", "application/json")];
    let body = b"{\"delay\": 300}";
    Client::fresh(address).send("POST", "/delay", &headers, body).ok()?.success().ok().map(drop)
}

/// How a request of the load found the first web app that was started for it.
fn measure_first_answer(cluster: &ComposeCluster, load: &Load, before: &[Container], rise: Instant) {
    let new: Vec<Container> =
        cluster.backends().unwrap().into_iter().filter(|backend| !before.contains(backend)).collect();
    let answer = |backend: &Container| load.first_answer_by(backend.address().ok()??, rise);
    let first = || new.iter().filter_map(answer).min();
    let first = poll::until(SOON, "an answer by a new web app", first).unwrap();
    let created: Vec<Duration> = new.iter().map(age).collect();
    let container = created.iter().max().unwrap().saturating_sub(first.elapsed()).as_secs_f64();
    let all = (first - rise).as_secs_f64();
    println!(
        "MEASURE from the rise of the load to a new web app's first answer {all:.1} s, {container:.1} s of them the \
         container's and Serf's"
    );
}

/// How long ago a container was created, as recorded by the engine.
fn age(container: &Container) -> Duration {
    let created = container.inspect().unwrap()["Created"].as_str().unwrap().to_owned();
    let output = Command::new("date").args(["-d", &created, "+%s%3N"]).output().unwrap();
    let ms: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    let created = std::time::UNIX_EPOCH + Duration::from_millis(ms);
    created.elapsed().unwrap_or_default()
}

/// Few visitors, eight times as many, few again: the web apps follow, until there are `to`, and no request fails.
fn rise_and_fall(cluster: &ComposeCluster, to: usize) {
    let mut slowed = Slowed::default();
    slowed.wait_for(cluster, 1, 1);
    let before = cluster.backends().unwrap();
    let mut few = visitors(cluster, FEW);
    let start = Instant::now();
    let mut more = visitors(cluster, MANY - FEW);
    slowed.wait_for(cluster, 1, 4);
    measure_first_answer(cluster, &more, &before, start);
    cluster.wait_for_up(4, UP).unwrap();
    slowed.wait_for(cluster, 4, 4);
    more.end();
    slowed.wait_for(cluster, 4, to);
    few.end();
    for load in [few, more] {
        let counts = load.since(start);
        println!(
            "MEASURE {} requests while web apps came and went, {} failed",
            counts.requests,
            counts.failures()
        );
        assert_eq!(counts.failures(), 0, "{}", counts.failures_shown());
    }
    assert_eq!(cluster.reloads(), Some(0));
}

/// autoscale-run's lines `... to scale from 1 to 4: ...`: up to four, by one or several looks, and then down one by one.
fn assert_one_rise_and_one_fall(log: &str) {
    let number = |line: &str| line.split("to scale from ").nth(1)?.split([' ', ':']).nth(2)?.parse().ok();
    let numbers: Vec<usize> = log.lines().filter_map(number).collect();
    let top = numbers.iter().position(|number| *number == 4).unwrap_or_else(|| panic!("{log}"));
    let (up, down) = numbers.split_at(top + 1);
    assert!(up.is_sorted(), "{numbers:?} {log}");
    assert!(!down.is_empty() && down.iter().rev().copied().eq(4 - down.len()..4), "{numbers:?} {log}");
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn web_apps_come_and_go_with_the_traffic_by_a_script_on_the_host() {
    let Some(cluster) = ComposeCluster::serving(1).unwrap() else { return };
    let run = Run::new().unwrap();
    let mut command = Command::new(programs::shipped("docker/scale"));
    command.args(["--every", "2s"]).args(SETTINGS.split(' ')).env("ROLLCALL_STATE_DIR", run.path());
    command.env("ROLLCALL_BIN", programs::bin_dir().unwrap());
    cluster.set_environment(&mut command);
    let mut script = Daemon::start(&run, "scale", command).unwrap();
    rise_and_fall(&cluster, 1);
    script.check().unwrap();
    script.stop().unwrap();
    assert_one_rise_and_one_fall(&script.log());
}

#[test]
#[ignore = "builds images; scripts/test --containers"]
fn web_apps_come_and_go_with_the_traffic_by_the_profile_autoscale() {
    let Some(mut cluster) = ComposeCluster::new().unwrap() else { return };
    cluster.set("AUTOSCALE", SETTINGS);
    cluster.compose(&["--profile", "autoscale", "up", "-d", "--no-build"]).unwrap();
    cluster.wait_for_up(1, UP).unwrap();
    rise_and_fall(&cluster, 3);
    let script = cluster.containers("autoscale").unwrap().remove(0);
    assert_one_rise_and_one_fall(&script.log().unwrap());
    assert_it_has_the_socket_alone(&cluster, &script);
}

/// The engine's socket is in the container of the profile and in no other, and that one has nothing else.
fn assert_it_has_the_socket_alone(cluster: &ComposeCluster, script: &Container) {
    let rights = script.shell("awk '/^(CapBnd|NoNewPrivs)/ { print $2 }' /proc/1/status").unwrap();
    assert_eq!(rights.split_whitespace().collect::<Vec<_>>(), ["0000000000000000", "1"]);
    let described = script.inspect().unwrap();
    assert_eq!(described["HostConfig"]["NetworkMode"], "none");
    assert_eq!(described["HostConfig"]["ReadonlyRootfs"], true);
    let mounts = described["Mounts"].as_array().unwrap().clone();
    let mut places: Vec<&str> = mounts.iter().filter_map(|mount| mount["Destination"].as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["/sockets", "/var/run/docker.sock"]);
    for other in [cluster.balancer().unwrap(), cluster.backends().unwrap().remove(0)] {
        assert!(!other.inspect().unwrap()["Mounts"].to_string().contains("docker.sock"));
    }
    // The socket that it asks HAProxy by changes nothing.
    let ask = "my $s = IO::Socket::UNIX->new('/sockets/ha.sock') or die $!; print $s \"disable frontend web\\n\"; \
               print <$s>";
    let answer = script.exec(&["perl", "-MIO::Socket::UNIX", "-e", ask]).unwrap();
    assert!(answer.contains("Permission denied"), "{answer}");
}
