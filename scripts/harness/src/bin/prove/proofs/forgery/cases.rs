//! The forged members: the known forgeries, each with only one wrong value, and any number of random ones.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use harness::run::programs;
use harness::{Result, system};

use crate::judging::random::Dice;
use crate::proofs::forgery::gossip::{Lie, Meta};
use crate::proofs::forgery::values::{NASTY, TEXTS, VALUES};

/// Payloads that real Serf agents sent after they had received forged gossip.
const FIXTURES: [&str; 4] =
    ["06-join-hostile-names.in", "07-join-hostile-tags.in", "08-join-forged.in", "09-join-ipv6.in"];
const TAGS: [&str; 6] = ["port", "weight", "maxconn", "state", "backup", "role"];
const ROLE: &str = "backend";
/// One in this many random members claims to be a balancer, and one has other bytes in place of tags.
const SELDOM: usize = 50;

/// Makes forged members, each with a new name unless the name itself is forged.
pub struct Cases {
    place: String,
    count: u32,
}

impl Cases {
    /// Makes forgeries that try to create files in `place`.
    pub fn new(place: &str) -> Cases {
        Cases { place: place.to_owned(), count: 0 }
    }

    /// All known forgeries; `squatted` are addresses of other members.
    pub fn known(&mut self, squatted: &[SocketAddr]) -> Result<Vec<Lie>> {
        let mut lies = Vec::new();
        for file in FIXTURES {
            let path = programs::shipped(&format!("common/tests/fixtures/serf/{file}"));
            let bytes = fs::read(&path).map_err(system("read", path.display()))?;
            lies.extend(bytes.split(|byte| *byte == b'\n').filter_map(captured));
        }
        for text in TEXTS {
            let text = self.text(text);
            lies.push(Lie { name: text.clone(), ..self.member() });
            for tag in TAGS {
                lies.push(self.tagged(tag.as_bytes(), &text));
            }
            lies.push(self.tagged(&text, b"x"));
        }
        for value in VALUES {
            TAGS.iter().for_each(|tag| lies.push(self.tagged(tag.as_bytes(), value.as_bytes())));
        }
        for address in addresses() {
            lies.push(Lie { address, ..self.member() });
        }
        for length in [127, 128, 129, 255, 1_000, 5_000, 50_000] {
            lies.push(Lie { name: vec![b'n'; length], ..self.member() });
        }
        for (number, place) in squatted.iter().enumerate() {
            // One name sorts before the honest names, one after them.
            for before in ["a", "z"] {
                let name = format!("{before}-squats-{number}").into_bytes();
                let meta = tags(&[("role", ROLE.as_bytes()), ("port", place.port().to_string().as_bytes())]);
                lies.push(Lie { name, address: octets(place.ip()), meta });
            }
        }
        Ok(lies)
    }

    /// A random forged member.
    pub fn random(&mut self, dice: &mut Dice) -> Lie {
        let right = self.member();
        let name = match dice.below(4) {
            0 | 1 => right.name,
            2 => [right.name, self.nasty(dice)].concat(),
            _ => self.nasty(dice),
        };
        let address = match dice.below(4) {
            0 | 1 => right.address,
            2 => (0..4).map(|_| dice.below(256) as u8).collect(),
            _ => dice.one_of(&addresses()).clone(),
        };
        let meta = match dice.below(SELDOM) {
            0 => Meta::Bytes(self.nasty(dice)),
            1 => tags(&[("role", b"balancer")]),
            _ => self.tags(dice),
        };
        Lie { name, address, meta }
    }

    fn tags(&self, dice: &mut Dice) -> Meta {
        let mut tags = vec![(b"role".to_vec(), ROLE.as_bytes().to_vec())];
        for tag in TAGS {
            if dice.below(4) == 0 {
                let value = if dice.below(2) == 0 {
                    VALUES[dice.below(VALUES.len())].as_bytes().to_vec()
                } else {
                    self.nasty(dice)
                };
                tags.retain(|(key, _)| key != tag.as_bytes());
                tags.push((tag.as_bytes().to_vec(), value));
            }
        }
        // If a key is rejected, the member gets no record.
        let more = if dice.below(4) == 0 { 1 + dice.below(3) } else { 0 };
        for _ in 0..more {
            tags.push((self.nasty(dice), self.nasty(dice)));
        }
        Meta::Tags(tags)
    }

    /// Random bytes, the dangerous ones more often.
    fn nasty(&self, dice: &mut Dice) -> Vec<u8> {
        if dice.below(3) == 0 {
            return self.text(TEXTS[dice.below(TEXTS.len())]);
        }
        let length = [0, 1, 2, 8, 40, 130, 600][dice.below(7)] + dice.below(8);
        let byte = |dice: &mut Dice| match dice.below(4) {
            0 => dice.below(256) as u8,
            1 | 2 => *dice.one_of(NASTY),
            _ => b'a' + dice.below(26) as u8,
        };
        (0..length).map(|_| byte(dice)).collect()
    }

    fn text(&self, text: &str) -> Vec<u8> {
        text.replace("PLACE", &self.place).into_bytes()
    }

    /// A member that could be a backend.
    pub fn member(&mut self) -> Lie {
        self.count += 1;
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 210, 0, 1).to_bits() + self.count);
        let name = format!("liar-{}", self.count).into_bytes();
        let meta = tags(&[("role", ROLE.as_bytes()), ("port", b"3000")]);
        Lie { name, address: address.octets().to_vec(), meta }
    }

    fn tagged(&mut self, key: &[u8], value: &[u8]) -> Lie {
        let mut lie = self.member();
        if let Meta::Tags(tags) = &mut lie.meta {
            tags.retain(|(known, _)| known != key);
            tags.push((key.to_vec(), value.to_vec()));
        }
        lie
    }
}

fn tags(pairs: &[(&str, &[u8])]) -> Meta {
    Meta::Tags(pairs.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.to_vec())).collect())
}

/// Values that are not addresses, addresses that no server can have, and those of the balancer itself.
fn addresses() -> Vec<Vec<u8>> {
    let text = [
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.169.254",
        "10.0.0.1",
        "240.0.0.1",
        "::",
        "::1",
        "ff02::1",
        "fe80::1",
        "fd00::5",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:224.0.0.1",
        "64:ff9b::7f00:1",
    ];
    let right = text.iter().filter_map(|text| text.parse().ok()).map(octets);
    right.chain([0, 1, 3, 5, 8, 15, 17, 64, 300].map(|length| vec![127; length])).collect()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A forged backend with the values of a line that Serf sent to a handler. Serf escapes tabs and newlines.
fn captured(line: &[u8]) -> Option<Lie> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
    let [name, address, _, listed] = fields[..] else { return None };
    let address = match std::str::from_utf8(address).ok()? {
        "<nil>" => Vec::new(),
        text => text.parse().map_or_else(|_| b"abc".to_vec(), |address: Ipv4Addr| address.octets().to_vec()),
    };
    let mut tags: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for pair in listed.split(|byte| *byte == b',') {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (key, value) = (unescaped(&pair[..at]), unescaped(pair.get(at + 1..).unwrap_or_default()));
        // The captured members have a role that is not used here.
        let value = if value == b"web" { ROLE.as_bytes().to_vec() } else { value };
        tags.push((key, value));
    }
    Some(Lie { name: unescaped(name), address, meta: Meta::Tags(tags) })
}

fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::new(), bytes);
    while let Some((byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after.first()) {
            (b'\\', Some(b't')) => (b'\t', &after[1..]),
            (b'\\', Some(b'n')) => (b'\n', &after[1..]),
            _ => (*byte, after),
        };
        plain.push(byte);
        rest = after;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_line_becomes_the_same_forgery() {
        let lie = captured(b"nl\\nevil\t?616263\tweb\trole=web,k=a=b").unwrap();
        assert_eq!((lie.name.as_slice(), lie.address.as_slice()), (&b"nl\nevil"[..], &b"abc"[..]));
        assert_eq!(lie.meta, tags(&[("role", b"backend"), ("k", b"a=b")]));
        assert_eq!(captured(b""), None);
    }

    #[test]
    fn the_same_seed_makes_the_same_forgeries() {
        let lies = || -> Vec<Lie> {
            let (mut lies, mut dice) = (Cases::new("/tmp"), Dice::new(7));
            (0..100).map(|_| lies.random(&mut dice)).collect()
        };
        assert_eq!(lies(), lies());
        assert!(Cases::new("/tmp").known(&[]).unwrap().len() > 500);
    }
}
