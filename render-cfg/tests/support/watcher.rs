//! A render-cfg that watches; killed when it is dropped.

use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Bed, until};

/// Nothing but events makes it look.
pub const EVENTS_ONLY: [&str; 2] = ["--look-every", "1h"];

pub struct Watcher<'b> {
    child: Child,
    bed: &'b Bed,
}

impl Bed {
    /// Watches this bed for the output `out`, and says what it does.
    pub fn watch(&self, arguments: &[&str]) -> Watcher<'_> {
        self.watch_with(self.command(&[&["--output", "out", "--watch", "-v"], arguments].concat()))
    }

    /// Starts a command that becomes a watching render-cfg.
    pub fn watch_with(&self, mut command: Command) -> Watcher<'_> {
        let said = File::options().create(true).append(true).open(self.path("said")).unwrap();
        let child = command.stdin(Stdio::null()).stderr(said).spawn().unwrap();
        Watcher { child, bed: self }
    }

    /// Puts a record beside the nodes directory, from where a rename is quick.
    pub fn prepare(&self, name: &str) {
        let record = common::node::Node::new(name, "10.0.0.1", common::node::Tags::new()).unwrap().pack();
        let mut file = File::create_new(self.path(&format!("{name}.json"))).unwrap();
        std::io::Write::write_all(&mut file, &record).unwrap();
    }

    /// Gives such a record its place.
    pub fn publish(&self, name: &str) {
        let name = format!("{name}.json");
        fs::rename(self.path(&name), self.path("nodes").join(&name)).unwrap();
    }

    /// Waits until the output has just these nodes, by name.
    #[track_caller]
    pub fn wait_for_nodes(&self, names: &[&str]) {
        let wanted: Vec<String> = names.iter().map(|name| format!("server {name} ")).collect();
        let what = format!("the nodes {names:?}");
        until(&what, || {
            let text = fs::read_to_string(self.path("out")).ok()?;
            let lines: Vec<&str> = text.lines().collect();
            let is_same =
                lines.len() == wanted.len() && lines.iter().zip(&wanted).all(|(l, w)| l.starts_with(w));
            is_same.then_some(())
        });
    }
}

impl Watcher<'_> {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// What it has said, and what was said before it.
    pub fn said(&self) -> String {
        fs::read_to_string(self.bed.path("said")).unwrap()
    }

    /// How often it has said a line that contains this.
    pub fn count(&self, part: &str) -> usize {
        self.said().lines().filter(|line| line.contains(part)).count()
    }

    /// How often it has looked, and all was well.
    pub fn looks(&self) -> usize {
        self.count("wrote 'out'") + self.count("left 'out'")
    }

    #[track_caller]
    pub fn wait_for(&self, part: &str) {
        until(&format!("'{part}' in what it says"), || (self.count(part) > 0).then_some(()));
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        until("its end", || self.child.try_wait().unwrap())
    }

    /// SIGTERM, and a good end.
    #[track_caller]
    pub fn end(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        // It may have ended, as most tests want it to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
