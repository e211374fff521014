//! Two balancers behind one address that keepalived moves, as docs/two-balancers.md sets them up: HAProxy is killed, a
//! machine is cut off, a balancer loses its servers, keepalived is killed, and all come back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod bed;
mod visits;

use std::sync::Arc;

use harness::Result;
use harness::network::namespace;
use harness::run::{poll, programs};
use nix::sys::signal::Signal;

use crate::bed::{BALANCERS, Bed, SERVERS, SOON, VISITORS, send};
use crate::visits::{Session, under_load};

/// HAProxy is killed and comes back. Returns who has the address then.
fn haproxy_dies(bed: &mut Bed, visits: &mut Session) -> Result<usize> {
    let holder = bed.wait_for_one_holder()?;
    let other = 1 - holder;
    under_load("HAProxy killed", bed, |bed| {
        let rates = || bed.balancers[other].ask("show table client_rates");
        poll::until(SOON, "the counters on the other balancer", || {
            rates().contains(&VISITORS.to_string()).then_some(())
        })?;
        bed.balancers[holder].kill_haproxy();
        bed.wait_for_holder(other)
    })?;
    visits.go_on();
    under_load("HAProxy back", bed, |bed| {
        let run = Arc::clone(&bed.run);
        bed.balancers[holder].start_haproxy(&run)
    })?;
    assert_eq!(bed.wait_for_one_holder()?, other, "it does not move back");
    Ok(other)
}

/// The machine that has the address is cut off, and comes back.
fn a_machine_is_cut_off(bed: &mut Bed, visits: &mut Session, holder: usize) -> Result<usize> {
    under_load("the machine cut off", bed, |bed| {
        bed.segment.unplug(BALANCERS[holder].0)?;
        bed.wait_for_holder(1 - holder)
    })?;
    visits.go_on();
    under_load("the machine back", bed, |bed| bed.segment.replug(BALANCERS[holder].0))?;
    bed.wait_for_one_holder()
}

/// The balancer that has the address loses its servers.
fn servers_are_lost(bed: &mut Bed, visits: &mut Session, holder: usize) -> Result<()> {
    let set = |bed: &Bed, state: &str| {
        for (name, _) in SERVERS {
            bed.balancers[holder].ask(&format!("set server nodes/{name} state {state}"));
        }
    };
    under_load("no server left", bed, |bed| {
        set(bed, "maint");
        bed.wait_for_holder(1 - holder)
    })?;
    set(bed, "ready");
    visits.go_on();
    Ok(())
}

/// HAProxy stands still on the balancer that has the address, and goes on.
fn haproxy_hangs(bed: &mut Bed, visits: &mut Session, holder: usize) -> Result<()> {
    let processes = bed.balancers[holder].processes();
    under_load("HAProxy hangs", bed, |bed| {
        send(processes, Signal::SIGSTOP);
        bed.wait_for_holder(1 - holder)
    })?;
    visits.go_on();
    send(processes, Signal::SIGCONT);
    Ok(())
}

/// keepalived is killed and started again, and then stopped.
fn keepalived_dies(bed: &mut Bed, holder: usize) -> Result<()> {
    under_load("keepalived killed", bed, |bed| {
        bed.balancers[holder].kill_keepalived();
        Ok(())
    })?;
    under_load("keepalived back", bed, |bed| bed.start_keepalived(holder))?;
    under_load("keepalived stopped", bed, |bed| {
        let holder = bed.wait_for_one_holder()?;
        bed.balancers[holder].keepalived.take().unwrap().stop()?;
        bed.wait_for_holder(1 - holder)
    })
}

fn survive() -> Result<()> {
    let mut bed = Bed::start()?;
    let mut visits = Session::begin();
    let holder = haproxy_dies(&mut bed, &mut visits)?;
    let holder = a_machine_is_cut_off(&mut bed, &mut visits, holder)?;
    servers_are_lost(&mut bed, &mut visits, holder)?;
    haproxy_hangs(&mut bed, &mut visits, 1 - holder)?;
    keepalived_dies(&mut bed, holder)?;
    visits.go_on();
    assert_eq!(visits.visitor.lost(), 0, "no session is lost");
    Ok(())
}

#[test]
fn the_address_moves_to_the_balancer_that_works_and_no_request_fails() {
    if namespace::is_possible() && programs::are_here(&["keepalived"]) {
        namespace::apart(survive).unwrap();
    }
}
