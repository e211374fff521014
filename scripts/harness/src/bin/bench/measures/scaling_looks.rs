//! A look of `autoscale` at a HAProxy with 1,000 servers: its time, its memory, and what it costs HAProxy.
//!
//! With a state file most looks ask HAProxy only for the backend's row. Without one, each look asks for the list of
//! servers, or without `--target` for the rows of all servers; with a state file only one look in 15 s or in a minute
//! does that. All servers are up: they have one address, which HAProxy checks now and then. `$HAPROXY` names another
//! HAProxy to measure.

use std::path::Path;
use std::time::{Duration, Instant};

use common::replace::replace;
use harness::cluster::single_haproxy::program;
use harness::daemons::counting_server::CountingServer;
use harness::daemons::haproxy::{Haproxy, Mode};
use harness::network::subnet::Subnet;
use harness::run::{poll, programs};
use harness::{Result, system};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::bench::Bench;
use crate::measures::member_events::{PEAKS, peak};
use crate::results::report::{Figure, Report};
use crate::results::sampling::{Subject, in_turn};
use crate::results::timed_run::TimedRun;

const SERVERS: usize = 1_000;
const TIME: Duration = Duration::from_millis(3);
/// In KiB.
const MEMORY: u64 = 4 << 10;
const SOON: Duration = Duration::from_secs(30);

/// One way to look.
struct Look {
    name: &'static str,
    /// The time that it should take, if there is an aim.
    aim: Option<Duration>,
    run: TimedRun,
}

/// Measures the looks in turn.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let (subnet, admin) = (Subnet::claim()?, bench.run.join("looks.sock"));
    let server = CountingServer::start((subnet.host(2), 8000).into())?;
    let config = bench.run.join("looks.cfg");
    let text = text(&admin, &server);
    replace(&config, text.as_bytes(), 0o644).map_err(system("write", config.display()))?;
    let haproxy =
        Haproxy::start_program(&program(), &bench.run, "looks", &config, Mode::MasterSocket, Some(&admin))?;
    poll::try_until(SOON, "all servers", || {
        Ok(haproxy.servers()?.iter().all(|server| server.is_up()).then_some(()))
    })?;
    let look = |name, aim, more: &[&str]| {
        let mut arguments = vec![format!("--socket={}", admin.display())];
        arguments.extend(["--backend=nodes", "--min=2", "--max=2000"].map(str::to_owned));
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let run = TimedRun::new(programs::bin_dir()?.join("autoscale"), arguments);
        Result::Ok(Look { name, aim, run })
    };
    let state = |name| format!("--state={}", bench.run.join(name).display());
    let looks = [
        look("with --target", Some(TIME), &["--target=20", &state("target.json")])?,
        look("without --target", Some(TIME), &[&state("maxconn.json")])?,
        look("with --target, without --state", None, &["--target=20"])?,
        look("without --target, without --state", None, &[])?,
    ];
    judge(bench, report, &haproxy, looks)
}

fn judge(bench: &Bench, report: &mut Report, haproxy: &Haproxy, mut looks: [Look; 4]) -> Result<()> {
    let n = bench.rounds(200, 10);
    let mut timed = looks.each_mut().map(|look| || look.run.time(None));
    let times = in_turn(n, timed.each_mut().map(|time| time as Subject<'_>))?;
    for (Look { name, aim, run }, time) in looks.iter_mut().zip(times) {
        let what = format!("autoscale, 1,000 servers, {name}");
        report.row(&what, Figure::Time(time), aim.map(Figure::Time), n);
        report.row(
            &format!("{what}, memory"),
            Figure::Memory(peak(|| run.peak(None))?),
            Some(Figure::Memory(MEMORY)),
            PEAKS,
        );
        for (part, cost) in ["the program's", "HAProxy's"].into_iter().zip(costs(haproxy, run, n)?) {
            report.row(&format!("{what}, {part} processor time"), Figure::Time(cost), None, n);
        }
    }
    let version = haproxy.show_info()?.remove("Version").unwrap_or_default();
    report.note(&format!("HAProxy {version} with one thread; all servers are up, with a maxconn"));
    Ok(())
}

fn text(admin: &Path, server: &CountingServer) -> String {
    let line = |number| format!("  server s{number} {} check inter 10s maxconn 30\n", server.address());
    let servers: String = (1..=SERVERS).map(line).collect();
    format!(
        "global\n  nbthread 1\n  spread-checks 50\n  stats socket {} mode 600 level admin\ndefaults\n  mode http\n  \
         timeout client 10s\n  timeout server 10s\n  timeout connect 1s\nbackend nodes\n{servers}",
        admin.display(),
    )
}

/// The processor time of the program and of HAProxy's worker for a look. What the worker needs in the same time without
/// looks is subtracted. Unlike elapsed time, processor time is the same on a busy machine.
fn costs(haproxy: &Haproxy, look: &mut TimedRun, n: usize) -> Result<[Duration; 2]> {
    let worker = haproxy.worker_pid()?;
    let (begun, before, own) = (Instant::now(), processor_time(worker)?, of_children()?);
    for _ in 0..n {
        look.time(None)?;
    }
    let (passed, looked, own) = (begun.elapsed(), processor_time(worker)?, of_children()? - own);
    poll::pass(passed)?;
    let rested = processor_time(worker)? - looked;
    Ok([own, (looked - before).saturating_sub(rested)].map(|time| time / n as u32))
}

/// What all children that have ended have used.
fn of_children() -> Result<Duration> {
    let usage =
        getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|errno| system("measure", "children")(errno.into()))?;
    let time = |time: TimeVal| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0));
    Ok(time(usage.user_time()) + time(usage.system_time()))
}

/// What the first thread of a process has used.
fn processor_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/schedstat");
    let text = std::fs::read_to_string(&path).map_err(system("read", &path))?;
    let nanoseconds = text.split_whitespace().next().and_then(|number| number.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.unwrap_or(0)))
}
