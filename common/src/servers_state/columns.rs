//! Finds the values of a server in its line of `show servers state`.

/// No version has more columns.
const MOST: usize = 32;

/// A line, and where its columns end.
pub(super) struct Values<'a> {
    line: &'a str,
    ends: [usize; MOST],
    count: usize,
}

impl<'a> Values<'a> {
    /// All values of a line.
    pub(super) fn all(line: &'a str) -> Values<'a> {
        Values::split(line, MOST)
    }

    /// Splits at spaces up to the column `last`, eight bytes at a time: there may be a hundred thousand lines.
    fn split(line: &'a str, last: usize) -> Values<'a> {
        let (mut ends, mut count) = ([0; MOST], 0);
        let most = MOST.min(last + 1);
        let mut words = line.as_bytes().chunks_exact(8);
        let rest = words.remainder();
        let words =
            words.by_ref().map(|word| word.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)));
        let last = rest.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
        for (index, word) in words.chain([last]).enumerate() {
            let mut spaces = spaces(word);
            while spaces != 0 {
                ends[count] = index * 8 + spaces.trailing_zeros() as usize / 8;
                count += 1;
                if count == most {
                    return Values { line, ends, count };
                }
                spaces &= spaces - 1;
            }
        }
        ends[count] = line.len();
        Values { line, ends, count: count + 1 }
    }

    /// The value of a column; `None` if it is missing or empty.
    pub(super) fn get(&self, column: usize) -> Option<&'a str> {
        let start = if column == 0 { 0 } else { self.ends.get(column - 1)? + 1 };
        let value = self.line.get(start..*self.ends.get(column)?)?;
        (column < self.count && !value.is_empty()).then_some(value)
    }

    pub(super) fn number(&self, column: usize) -> Option<u32> {
        number(self.get(column)?)
    }
}

/// The highest bit of each of eight bytes that is a space.
fn spaces(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let others = word ^ 0x2020_2020_2020_2020;
    // Adding 7f to the lower bits of a byte sets its highest one, unless they are zero.
    !(((others & LOW) + LOW) | others | LOW)
}

/// The number that `text.parse()` returns. Most have one digit.
pub(super) fn number(text: &str) -> Option<u32> {
    match text.as_bytes() {
        [digit @ b'0'..=b'9'] => Some(u32::from(digit - b'0')),
        _ => text.parse().ok(),
    }
}

/// Where each column is.
pub(super) struct Columns {
    pub(super) ids: [u8; 2],
    pub(super) backend: usize,
    pub(super) name: usize,
    pub(super) address: usize,
    pub(super) port: usize,
    pub(super) weight: usize,
    pub(super) admin: usize,
    pub(super) operational: usize,
    pub(super) check: Option<CheckColumns>,
    /// The last one of them, without those of the check.
    last: usize,
}

fn place(header: &str, name: &str) -> Option<usize> {
    header.split(' ').position(|column| column == name)
}

/// The columns of a check, in the order of `Check`'s fields.
pub(super) type CheckColumns = [u8; 5];

fn check_columns(header: &str) -> Option<CheckColumns> {
    let at = |name| u8::try_from(place(header, name)?).ok();
    Some([
        at("srv_check_status")?,
        at("srv_check_result")?,
        at("srv_check_health")?,
        at("srv_check_state")?,
        at("srv_time_since_last_change")?,
    ])
}

impl Columns {
    pub(super) fn find(header: &str) -> Option<Columns> {
        let at = |name| place(header, name);
        let small = |name| u8::try_from(place(header, name)?).ok();
        let mut columns = Columns {
            ids: [small("be_id")?, small("srv_id")?],
            backend: at("be_name")?,
            name: at("srv_name")?,
            address: at("srv_addr")?,
            port: at("srv_port")?,
            weight: at("srv_uweight")?,
            admin: at("srv_admin_state")?,
            operational: at("srv_op_state")?,
            check: check_columns(header),
            last: 0,
        };
        let named = [columns.backend, columns.name, columns.address, columns.port, columns.weight];
        let others = [columns.admin, columns.operational, columns.ids[0].into(), columns.ids[1].into()];
        columns.last = named.into_iter().chain(others).max().unwrap_or(0);
        Some(columns)
    }

    /// The values of a line, as far as any of these columns needs them.
    pub(super) fn values<'a>(&self, line: &'a str) -> Values<'a> {
        Values::split(line, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_each_space() {
        let long: String = (0..40).map(|column| format!("{column} ")).collect();
        for line in [
            "",
            " ",
            "a",
            "ab cd",
            "  a  b ",
            "12345678 1",
            "1234567 8",
            "1 \u{e9}\u{a0} \u{2020} \u{20}",
            &long,
        ] {
            for last in [0, 1, 3, 18, 31, 50] {
                let values = Values::split(line, last);
                for column in 0..=last.min(MOST - 1) {
                    let expected = line.split(' ').nth(column).filter(|value| !value.is_empty());
                    assert_eq!(values.get(column), expected, "{line:?} {column}");
                }
                assert_eq!(values.get(MOST), None);
            }
        }
    }
}
