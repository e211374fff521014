//! The result of a proof: lines about what was done, and the faults.
//!
//! All faults are counted, but only the first few are printed, because a thousand lines of one fault would hide
//! another.

/// How many faults are printed.
const SHOWN: usize = 20;

/// The result of a proof so far.
#[derive(Debug, Default)]
pub struct Verdict {
    wrong: usize,
}

impl Verdict {
    /// Prints a line about what was done or counted.
    pub fn note(&self, text: &str) {
        println!("    {text}");
    }

    /// Counts a fault, and prints it if it is one of the first.
    pub fn wrong(&mut self, text: &str) {
        self.wrong += 1;
        if self.wrong <= SHOWN {
            println!("    WRONG: {text}");
        }
    }

    /// Counts a fault unless the condition is true.
    pub fn check(&mut self, is_so: bool, text: &str) {
        if !is_so {
            self.wrong(text);
        }
    }

    /// Prints whether the proof holds; returns that.
    pub fn end(&self, name: &str) -> bool {
        match self.wrong {
            0 => println!("{name}: HOLDS"),
            wrong => println!("{name}: DOES NOT HOLD, {wrong} wrong"),
        }
        self.wrong == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_is_enough() {
        let mut verdict = Verdict::default();
        verdict.check(true, "a");
        assert!(verdict.end("proof"));
        verdict.check(false, "b");
        assert!(!verdict.end("proof"));
    }
}
