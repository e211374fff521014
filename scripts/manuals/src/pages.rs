//! The man pages, each with the manual that it is made of.

use clap::Command;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::markdown::convert;
use crate::{File, commands, options};

const SETTINGS: &str = include_str!("../../../docs/settings.md");
const RECORD: &str = include_str!("../../../docs/record.md");
const OVERVIEW: &str = include_str!("../../../README.md");
const AUTOSCALE: &str = include_str!("../../autoscale/README.md");

/// The manuals of the programs; those of autoscale are in one file.
const MANUALS: [(&str, &str); 6] = [
    ("member-join", include_str!("../../../member-join/README.md")),
    ("member-leave", include_str!("../../../member-leave/README.md")),
    ("render-cfg", include_str!("../../../render-cfg/README.md")),
    ("reload-haproxy", include_str!("../../../reload-haproxy/README.md")),
    ("autoscale", AUTOSCALE),
    ("rollcall-setup", include_str!("../../../docs/rollcall-setup.md")),
];

/// All pages, for `SEE ALSO`.
const PAGES: [(&str, u8); 10] = [
    ("autoscale", 1),
    ("autoscale-apply", 1),
    ("member-join", 1),
    ("member-leave", 1),
    ("reload-haproxy", 1),
    ("render-cfg", 1),
    ("rollcall-record", 5),
    ("rollcall-settings", 5),
    ("rollcall", 7),
    ("rollcall-setup", 8),
];

/// The sections of the README that are not for users of the package.
const NOT_IN_OVERVIEW: [&str; 5] = ["Try it", "Containers", "In figures", "Where to read on", "Licence"];

/// All pages, with their `date`.
pub(crate) fn all(date: &str) -> Vec<File> {
    let about = "keeps the servers in HAProxy equal to the members of a Serf cluster";
    let topics = [
        topic("rollcall-record", 5, "the record of a node", RECORD, &[]),
        topic(
            "rollcall-settings",
            5,
            "settings of the scripts, the log and the state directory",
            SETTINGS,
            &[],
        ),
        topic("rollcall", 7, about, OVERVIEW, &NOT_IN_OVERVIEW),
    ];
    commands().iter().map(program).chain(topics).map(|page| page.end(date)).collect()
}

/// The page of a program: its manual, and in the section of the options those that the manual does not describe.
fn program(command: &Command) -> Page {
    let name = command.get_name();
    let (events, level) = match MANUALS.iter().find(|(manual, _)| *manual == name) {
        Some((_, manual)) => {
            (sections(parse(manual), HeadingLevel::H2, &["autoscale-apply"]), HeadingLevel::H2)
        }
        None => (below(parse(AUTOSCALE), name), HeadingLevel::H3),
    };
    let section = PAGES.iter().find(|(page, _)| *page == name).map_or(1, |(_, section)| *section);
    let mut page =
        Page::begin(name, section, &command.get_about().map(ToString::to_string).unwrap_or_default());
    let mut has_options = false;
    for section in split(&events, level) {
        let converted = convert(section, level, name);
        page.add(&converted.roff);
        if title(section) == "Options" {
            page.add_options(command, &converted.terms);
            has_options = true;
        }
    }
    if !has_options {
        page.heading("OPTIONS");
        page.add_options(command, &[]);
    }
    page
}

/// A page that is not about one program. What is before the first section is its description.
fn topic(name: &str, section: u8, about: &str, manual: &str, left_out: &[&str]) -> Page {
    let events = parse(manual);
    let is_section = |event: &Event| match event {
        Event::Start(Tag::Heading { level, .. }) => *level != HeadingLevel::H1,
        _ => false,
    };
    let intro = events.iter().position(is_section).unwrap_or(events.len());
    let title_end = events
        .iter()
        .position(|event| matches!(event, Event::End(TagEnd::Heading(_))))
        .map_or(0, |end| end + 1);
    let mut page = Page::begin(name, section, about);
    page.heading("DESCRIPTION");
    page.add(&convert(&events[title_end..intro], HeadingLevel::H2, name).roff);
    page.add(&convert(&sections(events, HeadingLevel::H2, left_out), HeadingLevel::H2, name).roff);
    page
}

fn parse(manual: &str) -> Vec<Event<'_>> {
    Parser::new_ext(manual, Options::ENABLE_TABLES | Options::ENABLE_DEFINITION_LIST).collect()
}

/// The sections whose headings have `level`, without those that are left out.
fn sections<'a>(events: Vec<Event<'a>>, level: HeadingLevel, left_out: &[&str]) -> Vec<Event<'a>> {
    let kept =
        split(&events, level).into_iter().filter(|section| !left_out.contains(&title(section).as_str()));
    kept.flatten().cloned().collect()
}

/// What is below the heading `name`.
fn below<'a>(events: Vec<Event<'a>>, name: &str) -> Vec<Event<'a>> {
    let section = split(&events, HeadingLevel::H2).into_iter().find(|section| title(section) == name);
    section.map(<[Event]>::to_vec).unwrap_or_default()
}

/// Cuts before each heading of `level`. What is before the first is left out.
fn split<'e, 'a>(events: &'e [Event<'a>], level: HeadingLevel) -> Vec<&'e [Event<'a>]> {
    let is_start =
        |event: &Event| matches!(event, Event::Start(Tag::Heading { level: found, .. }) if *found == level);
    let mut starts: Vec<usize> = (0..events.len()).filter(|index| is_start(&events[*index])).collect();
    starts.push(events.len());
    starts.windows(2).map(|ends| &events[ends[0]..ends[1]]).collect()
}

/// The text of the heading that begins a section.
fn title(section: &[Event]) -> String {
    let heading = section.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    let texts = heading.filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.to_string()),
        _ => None,
    });
    texts.collect()
}

/// A page that is being written.
struct Page {
    name: String,
    section: u8,
    text: String,
}

impl Page {
    fn begin(name: &str, section: u8, about: &str) -> Page {
        let mut page = Page { name: name.to_owned(), section, text: String::new() };
        page.heading("NAME");
        page.add(Roff::new().text([roman(format!("{name} - {about}"))]));
        page
    }

    fn heading(&mut self, heading: &str) {
        self.add(Roff::new().control("SH", [heading]));
    }

    fn add(&mut self, roff: &Roff) {
        self.text.push_str(&without_preamble(&roff.render()));
    }

    /// Adds the options that `described` does not have.
    fn add_options(&mut self, command: &Command, described: &[String]) {
        self.text.push_str(&without_preamble(&options::others(command, described)));
    }

    /// Ends the page with the names of all other pages, and begins it with its title.
    fn end(mut self, date: &str) -> File {
        self.heading("SEE ALSO");
        let mut line: Vec<Inline> = Vec::new();
        for (name, section) in PAGES.iter().filter(|(name, _)| *name != self.name) {
            let comma = if line.is_empty() { "" } else { ", " };
            line.extend([roman(comma), bold(*name), roman(format!("({section})"))]);
        }
        self.add(Roff::new().text(line));
        let Page { name, section, text } = self;
        let source = concat!("rollcall ", env!("CARGO_PKG_VERSION"));
        let mut title = Roff::new();
        title.control("TH", [&name.to_uppercase(), &section.to_string(), date, source, "Rollcall"]);
        (format!("usr/share/man/man{section}/{name}.{section}"), ascii(&(title.render() + &text)))
    }
}

/// Leaves out what the library writes before each text: a name for the apostrophe.
fn without_preamble(text: &str) -> String {
    text.strip_prefix(&Roff::new().render()).unwrap_or(text).to_owned()
}

/// Names the characters that roff would print as typographic ones.
fn ascii(text: &str) -> String {
    text.replace('^', "\\(ha").replace('~', "\\(ti").replace('`', "\\(ga")
}
