//! What a proof found: lines of what was done, and what went wrong.
//!
//! All faults are counted, but only the first are printed: a thousand lines of one fault would hide another.

/// How many faults are shown.
const SHOWN: usize = 20;

/// What a proof has found so far.
#[derive(Debug, Default)]
pub struct Verdict {
    wrong: usize,
}

impl Verdict {
    /// Prints what was done or counted.
    pub fn note(&self, text: &str) {
        println!("    {text}");
    }

    /// Counts a fault, and prints the first ones.
    pub fn wrong(&mut self, text: &str) {
        self.wrong += 1;
        if self.wrong <= SHOWN {
            println!("    WRONG: {text}");
        }
    }

    /// Counts a fault unless this is so.
    pub fn check(&mut self, is_so: bool, text: &str) {
        if !is_so {
            self.wrong(text);
        }
    }

    /// Prints whether it holds, and returns that.
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
