//! Reading the nodes directory again and again: a record whose stamp has not changed is not opened.
//!
//! Every look asks `stat` about every record. It does not rely on the kernel's events, which can be lost. A record is read
//! again unless its stamp was settled when it was read (see `stamp.rs`); so is one that could not be read.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::time::{Instant, SystemTime};

use super::error::{NodesError, io_error};
use super::files::{RecordFiles, buffer};
use super::names::record_names;
use super::stamp::{Stamp, is_reliable};
use crate::halves::{in_halves, middle};
use crate::node::{Node, Unpacker};

/// How much less the clock may have advanced between two looks than the time that has passed. It is less than a stamp needs
/// to settle. The rest is what a clock that is adjusted slowly loses.
const LOST_MAX_MS: u128 = 50;

/// The records of a nodes directory, as they were at the last look.
#[derive(Debug)]
pub struct KnownRecords<T> {
    /// Sorted by the file's name.
    records: Vec<Known<T>>,
    /// When the last look began.
    last: Option<Moment>,
}

/// A record.
#[derive(Debug)]
struct Known<T> {
    name: OsString,
    /// The stamp with which it was read, if it was settled.
    stamp: Option<Stamp>,
    made: T,
}

impl<T> Default for KnownRecords<T> {
    fn default() -> KnownRecords<T> {
        KnownRecords { records: Vec::new(), last: None }
    }
}

impl<T: Send> KnownRecords<T> {
    /// Brings the records up to date with the directory at `path`, which need not be that of the last look. Reads those
    /// that are new or that may have changed, and converts them by `make`, as [`read_with`](super::read_with) does. Returns
    /// an error for each record that cannot be read. Fails if the directory itself cannot be read, and then changes nothing.
    pub fn look(
        &mut self,
        path: &Path,
        make: impl Fn(Vec<Node>) -> Vec<T> + Sync,
    ) -> Result<Vec<NodesError>, NodesError> {
        self.look_at(path, Moment::now(), make)
    }

    /// All records, in the order of the files' names.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.records.iter().map(|known| &known.made)
    }

    /// Looks at the moment `now`, which is before anything is read.
    fn look_at(
        &mut self,
        path: &Path,
        now: Moment,
        make: impl Fn(Vec<Node>) -> Vec<T> + Sync,
    ) -> Result<Vec<NodesError>, NodesError> {
        let names = record_names(path, |_| true)?;
        let directory = File::open(path).map_err(io_error("read", path))?;
        let files = RecordFiles { path, directory: &directory };
        if self.last.is_some_and(|last| now.is_set_back_since(last)) {
            self.records.clear();
        }
        self.last = Some(now);
        let (front, back) = halves(names, std::mem::take(&mut self.records));
        let look = |part: Part<T>| Look::new(files, now.clock).at(part, &make);
        let ((mut records, mut faults), (more, more_faults)) = in_halves(front, back, look);
        records.extend(more);
        faults.extend(more_faults);
        self.records = records;
        Ok(faults)
    }
}

/// Names of files, and what is known of them, both sorted.
type Part<T> = (Vec<OsString>, Vec<Known<T>>);

fn halves<T>(mut names: Vec<OsString>, mut known: Vec<Known<T>>) -> (Part<T>, Option<Part<T>>) {
    let back = names.split_off(middle(names.len()));
    let back = back.first().cloned().map(|first| {
        let known = known.split_off(known.partition_point(|known| known.name < first));
        (back, known)
    });
    ((names, known), back)
}

/// A look at a part of the records.
struct Look<'a> {
    files: RecordFiles<'a>,
    /// The time when it began.
    now: SystemTime,
    /// The device of the last record, and whether its stamps are reliable.
    device: Option<(u64, bool)>,
    buffer: Vec<u8>,
    unpacker: Unpacker,
}

impl<'a> Look<'a> {
    fn new(files: RecordFiles<'a>, now: SystemTime) -> Look<'a> {
        Look { files, now, device: None, buffer: buffer(), unpacker: Unpacker::default() }
    }

    fn at<T>(
        mut self,
        (names, known): Part<T>,
        make: impl Fn(Vec<Node>) -> Vec<T>,
    ) -> (Vec<Known<T>>, Vec<NodesError>) {
        let mut known = known.into_iter().peekable();
        let (mut records, mut read, mut nodes, mut faults) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        records.reserve_exact(names.len());
        for name in names {
            while known.next_if(|known| known.name < name).is_some() {}
            match known.next_if(|known| known.name == name) {
                Some(known) if self.is_unchanged(&known) => records.push(known),
                _ => match self.read(&name) {
                    Ok(Some((node, stamp))) => {
                        read.push((name, stamp));
                        nodes.push(node);
                    }
                    Ok(None) => {}
                    Err(fault) => faults.push(fault),
                },
            }
        }
        if !nodes.is_empty() {
            let made = read.into_iter().zip(make(nodes));
            records.extend(made.map(|((name, stamp), made)| Known { name, stamp, made }));
            // These are two sorted lists, which this merges.
            records.sort_by(|a, b| a.name.cmp(&b.name));
        }
        (records, faults)
    }

    fn is_unchanged<T>(&self, known: &Known<T>) -> bool {
        known.stamp.is_some() && self.files.stat(&known.name).map(|stat| Stamp::of(&stat)) == known.stamp
    }

    /// Reads a record. The stamp is taken before the content, so that a change in between is found at the next look.
    fn read(&mut self, name: &OsString) -> Result<Option<(Node, Option<Stamp>)>, NodesError> {
        let Some(file) = self.files.open(name)? else { return Ok(None) };
        let stamp = self.settled(&file);
        let length = self.files.read_open(name, file, &mut self.buffer)?;
        let node = self.files.unpack(name, &self.buffer[..length], &mut self.unpacker)?;
        Ok(Some((node, stamp)))
    }

    /// The stamp of an open file, if it can be relied on.
    fn settled(&mut self, file: &File) -> Option<Stamp> {
        let stamp = Stamp::of(&nix::sys::stat::fstat(file).ok()?);
        let known = self.device.filter(|(device, _)| *device == stamp.device);
        let (_, is_reliable) =
            *self.device.insert(known.unwrap_or_else(|| (stamp.device, is_reliable(file))));
        (is_reliable && stamp.is_settled(self.now)).then_some(stamp)
    }
}

/// A moment by the clock, and by one that nobody can set.
#[derive(Clone, Copy, Debug)]
struct Moment {
    clock: SystemTime,
    steady: Instant,
}

impl Moment {
    fn now() -> Moment {
        Moment { clock: SystemTime::now(), steady: Instant::now() }
    }

    /// Whether the clock was set back in between: then a change can give the times that a record had before.
    fn is_set_back_since(self, earlier: Moment) -> bool {
        let steady = self.steady.saturating_duration_since(earlier.steady).as_millis();
        let clock = self.clock.duration_since(earlier.clock).unwrap_or_default().as_millis();
        clock + LOST_MAX_MS < steady || self.clock < earlier.clock
    }
}

#[cfg(test)]
mod tests;
