//! A thousand certificates in a directory: none renewed, one renewed; and what ten thousand cost.

use std::time::Duration;

use harness::Result;
use harness::daemons::tls::Issued;

use crate::bench::Bench;
use crate::results::report::{Figure, Report};
use crate::results::sampling::{in_turn, ratio};
use crate::setups::balancer_of_files::{BalancerOfFiles, Round, base, certificate, issue};

const COUNT: usize = 1_000;
const MANY: usize = 10_000;
/// The certificate that is renewed.
const RENEWED: usize = COUNT / 2;
/// What the files may cost a run that has nothing to do, and a renewal beside HAProxy's part.
const NOTHING: Duration = Duration::from_millis(5);
const BESIDE: Duration = Duration::from_millis(10);

/// Measures them.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let issued = issue(&bench.run.join("authority"), COUNT + 1);
    let balancer = BalancerOfFiles::with_certificates(COUNT, &issued[..COUNT])?;
    nothing(bench, report, "1,000", &balancer)?;
    renewed(bench, report, &balancer, [&issued[RENEWED], &issued[COUNT]])?;
    drop(balancer);
    let balancer = BalancerOfFiles::with_certificates(MANY, &issued[..COUNT])?;
    nothing(bench, report, "10,000", &balancer)
}

/// A run with nothing to do, in turn with one of an earlier state.
fn nothing(bench: &Bench, report: &mut Report, shown: &str, balancer: &BalancerOfFiles) -> Result<()> {
    let n = bench.rounds(60, 5);
    let mut row = |what: &str, figure, target| {
        report.row(&format!("files, {shown} certificates, nothing changed{what}"), figure, target, n);
    };
    let Some(base) = base() else {
        let [now] = in_turn(n, [&mut || balancer.change()])?;
        row("", Figure::Time(now), None);
        report.note("set ROLLCALL_BASE to an earlier reload-haproxy to compare with it");
        return Ok(());
    };
    let [before, now] = in_turn(n, [&mut || balancer.run_base(&base), &mut || balancer.change()])?;
    row("", Figure::Time(now), None);
    row(", before", Figure::Time(before), None);
    let target = (shown == "1,000").then_some(Figure::Time(NOTHING));
    row(", difference", Figure::Time(now.saturating_sub(before)), target);
    Ok(())
}

fn renewed(
    bench: &Bench,
    report: &mut Report,
    balancer: &BalancerOfFiles,
    issued: [&Issued; 2],
) -> Result<()> {
    let n = bench.rounds(40, 3);
    let (round, name) = (Round::default(), certificate(RENEWED));
    let renew = || balancer.put(&name, &issued[round.next() % 2].pem());
    // A HAProxy that has just been reloaded answers slowly, so the renewal and HAProxy's part of it come last.
    let [reloaded, first, changed, answered] = in_turn(
        n,
        [
            &mut || renew().and_then(|()| balancer.reload()),
            &mut || renew().and_then(|()| balancer.forget_hosts()).and_then(|()| balancer.change()),
            &mut || renew().and_then(|()| balancer.change()),
            &mut || haproxys_part(balancer, &name, &issued[round.now() % 2].pem()),
        ],
    )?;
    let mut row = |what: &str, figure, target| {
        report.row(&format!("files, one of 1,000 certificates renewed{what}"), figure, target, n);
    };
    row("", Figure::Time(changed), None);
    row(", HAProxy's part of it", Figure::Time(answered), None);
    let beside = changed.saturating_sub(answered);
    row(", beside HAProxy's part", Figure::Time(beside), Some(Figure::Time(BESIDE)));
    row(", the first of all", Figure::Time(first), None);
    row(", by a reload", Figure::Time(reloaded), None);
    row(", reload : change", Figure::Ratio(ratio(reloaded, changed)), None);
    Ok(())
}

/// What a renewal asks HAProxy, with the certificate that it already has.
fn haproxys_part(balancer: &BalancerOfFiles, name: &str, pem: &str) -> Result<Duration> {
    let path = balancer.path(name).display().to_string();
    let compare = "show info;show servers state".to_owned();
    let before = balancer.answers(&["show info".to_owned(), compare.clone()])?;
    let change = balancer.answers(&[
        "show info".to_owned(),
        format!("set ssl cert {path} <<\n{pem}"),
        format!("show ssl cert *{path}"),
        format!("commit ssl cert {path};show ssl cert {path};show info"),
        "show info".to_owned(),
    ])?;
    Ok(before
        + balancer.masters_answer()?
        + change
        + balancer.masters_answer()?
        + balancer.answers(&[compare])?)
}
