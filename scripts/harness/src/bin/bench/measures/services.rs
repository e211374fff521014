//! A thousand services of ten servers, beside one service of ten thousand; and what a request costs with a thousand
//! services, beside ten.

use std::cell::RefCell;
use std::time::Duration;

use harness::Result;

use crate::bench::Bench;
use crate::measures::member_events::joining;
use crate::results::report::{Figure, Report};
use crate::results::sampling::{in_turn, ratio};
use crate::setups::balancer_of_services::BalancerOfServices;

const SERVICES: usize = 1_000;
const SERVERS: usize = 10;
/// The services beside which a request is measured.
const FEW: usize = 10;
const REQUESTS: usize = 2_000;
const AT_MOST: f64 = 1.3;
const REQUEST_AT_MOST: f64 = 1.1;

/// Measures both.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let many = RefCell::new(BalancerOfServices::start(SERVICES, SERVERS)?);
    steps(bench, report, &many)?;
    let few = RefCell::new(BalancerOfServices::start(FEW, SERVERS)?);
    let n = bench.rounds(20, 3);
    let [of_few, of_many] = in_turn(
        n,
        [&mut || few.borrow_mut().requests(REQUESTS, FEW), &mut || many.borrow_mut().requests(REQUESTS, FEW)],
    )?;
    let mut row = |what: &str, figure, target| report.row(&format!("services, {what}"), figure, target, n);
    row("2,000 requests, 10 services", Figure::Time(of_few), None);
    row("2,000 requests, 1,000 services", Figure::Time(of_many), None);
    let figure = Figure::Ratio(ratio(of_many, of_few));
    row("1,000 services : 10 services, requests", figure, Some(Figure::Ratio(REQUEST_AT_MOST)));
    report.note("one request after the other on one connection, to ten services in turn");
    Ok(())
}

/// One node changes; returns how long render-cfg takes then.
fn render(balancer: &mut BalancerOfServices) -> Result<Duration> {
    joining(&balancer.pool)?.time(Some(&balancer.pool.change()))?;
    balancer.render()
}

/// Measures each step of a change.
fn steps(bench: &Bench, report: &mut Report, many: &RefCell<BalancerOfServices>) -> Result<()> {
    let one = RefCell::new(BalancerOfServices::start(1, SERVICES * SERVERS)?);
    let n = bench.rounds(15, 3);
    type Step = fn(&mut BalancerOfServices) -> Result<Duration>;
    let steps: [(&str, Step); 3] = [
        ("render", render),
        ("haproxy -c", |balancer| balancer.check()),
        ("one change applied", |balancer| {
            render(balancer)?;
            balancer.apply()
        }),
    ];
    for (what, step) in steps {
        let [of_one, of_many] =
            in_turn(n, [&mut || step(&mut one.borrow_mut()), &mut || step(&mut many.borrow_mut())])?;
        let mut row =
            |what: &str, figure, target| report.row(&format!("services, {what}"), figure, target, n);
        row(&format!("{what}, one of 10,000 servers"), Figure::Time(of_one), None);
        row(&format!("{what}, 1,000 of 10 servers"), Figure::Time(of_many), None);
        let figure = Figure::Ratio(ratio(of_many, of_one));
        row(&format!("1,000 services : one, {what}"), figure, Some(Figure::Ratio(AT_MOST)));
    }
    many.borrow_mut().use_yaml(SERVICES)?;
    let [of_one, of_many] =
        in_turn(n, [&mut || render(&mut one.borrow_mut()), &mut || render(&mut many.borrow_mut())])?;
    let figure = Figure::Ratio(ratio(of_many, of_one));
    report.row("services, 1,000 services : one, render, from YAML", figure, None, n);
    report.note("the other rows are with a file in JSON, which is quicker to read");
    Ok(())
}
