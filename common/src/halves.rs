//! Work on many records or nodes, divided between two threads.

use std::thread;

/// From this number on, two threads work. With fewer records, HAProxy needs the second processor meanwhile: it starts for
/// the check.
pub(crate) const SPLIT_FROM: usize = 1500;

/// Where to divide this number of records: in the middle, or at the end if one thread is enough.
pub(crate) fn middle(count: usize) -> usize {
    if count < SPLIT_FROM { count } else { count / 2 }
}

/// Does `work` with the first half of `items` in this thread and with the second in another one, or with all of them in
/// this thread if they are few. Returns both results.
pub fn in_halves_of<T: Sync, R: Send + Default>(items: &[T], work: impl Fn(&[T]) -> R + Sync) -> (R, R) {
    let (front, back) = items.split_at(middle(items.len()));
    in_halves(front, (!back.is_empty()).then_some(back), work)
}

/// Does `work` with the first half in this thread and with the second half, if there is one, in another thread. Returns
/// both results.
pub(crate) fn in_halves<H: Send, R: Send + Default>(
    front: H,
    back: Option<H>,
    work: impl Fn(H) -> R + Sync,
) -> (R, R) {
    let work = &work;
    thread::scope(|scope| {
        let back = back.map(|back| scope.spawn(move || work(back)));
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        (work(front), back.map(join).unwrap_or_default())
    })
}
