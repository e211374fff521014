//! Turns Markdown into roff with the macros of man(7).
//!
//! `Converter` takes the events of the parser in their order, and writes each part as soon as it is complete.

use clap_mangen::roff::{Inline, Roff, bold, italic, line_break, roman};
use pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};

use crate::inlines::{leading_terms, plain};
use crate::links;
use crate::tables::Table;

/// A part of a page as roff, and the terms of its lists and tables.
pub(crate) struct Converted {
    pub(crate) roff: Roff,
    pub(crate) terms: Vec<String>,
}

/// Converts the `events` of a section. Headings of `level` become sections, deeper ones subsections. `page` is the name
/// of the page.
pub(crate) fn convert(events: &[Event], level: HeadingLevel, page: &str) -> Converted {
    let mut converter =
        Converter { page: page.to_owned(), level: Some(level), is_first: true, ..Converter::default() };
    events.iter().for_each(|event| converter.take(event));
    converter.flush();
    Converted { roff: converter.roff, terms: converter.terms }
}

#[derive(Default)]
struct Converter {
    page: String,
    level: Option<HeadingLevel>,
    roff: Roff,
    terms: Vec<String>,
    /// The text that is not yet written.
    line: Vec<Inline>,
    font: Option<fn(String) -> Inline>,
    /// Whether a heading, a bullet or a term has begun the paragraph.
    is_first: bool,
    begins_item: bool,
    /// The lists that are open; a numbered one with its next number.
    lists: Vec<Option<u64>>,
    /// How many lists and definitions the text is in.
    indents: usize,
    is_code: bool,
    is_image: bool,
    link: String,
    table: Table,
}

impl Converter {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(*tag),
            Event::Text(text) if self.is_code => self.code(text),
            Event::Text(text) if !self.is_image => {
                self.line.push(self.font.unwrap_or(roman)(text.to_string()))
            }
            Event::Code(text) => self.line.push(bold(links::installed(text))),
            Event::SoftBreak => self.line.push(roman(" ")),
            Event::HardBreak => self.line.push(line_break()),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag) {
        match tag {
            Tag::Paragraph => self.begin_paragraph(),
            Tag::CodeBlock(_) => self.begin_code(),
            Tag::List(first) => self.begin_list(*first),
            Tag::Item => self.begin_item(),
            Tag::DefinitionListTitle => self.request("TP", &[]),
            Tag::DefinitionListDefinition => {
                self.flush();
                self.indents += 1;
                self.is_first = true;
            }
            Tag::Emphasis => self.font = Some(italic),
            Tag::Strong => self.font = Some(bold),
            Tag::Link { dest_url, .. } => self.link = dest_url.to_string(),
            Tag::Image { .. } => self.is_image = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => self.heading(level),
            TagEnd::Paragraph | TagEnd::DefinitionListTitle => self.flush(),
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::List(_) => self.end_list(),
            TagEnd::Item => self.flush(),
            TagEnd::DefinitionListDefinition => {
                self.flush();
                self.indents -= 1;
            }
            TagEnd::Emphasis | TagEnd::Strong => self.font = None,
            TagEnd::Link => {
                let text =
                    self.line.last().map(|inline| plain(std::slice::from_ref(inline))).unwrap_or_default();
                self.line.push(roman(links::target(&self.link, &text, &self.page)));
            }
            TagEnd::Image => self.is_image = false,
            TagEnd::TableCell => self.table.end_cell(std::mem::take(&mut self.line)),
            TagEnd::TableHead => self.table.end_header(),
            TagEnd::TableRow => {
                self.terms.extend(self.table.end_row(&mut self.roff));
                self.is_first = false;
            }
            _ => {}
        }
    }

    /// Writes a request on a line of its own, after the text before it.
    fn request(&mut self, name: &str, arguments: &[&str]) {
        self.flush();
        self.roff.control(name, arguments.iter().copied());
    }

    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return;
        }
        if std::mem::take(&mut self.begins_item) {
            self.terms.extend(leading_terms(&line));
        }
        self.is_first = false;
        self.roff.text(line);
    }

    fn heading(&mut self, level: HeadingLevel) {
        // The library does not escape the arguments of a request.
        let text = plain(&std::mem::take(&mut self.line)).replace(['"', '\\'], "");
        if Some(level) == self.level {
            self.request("SH", &[&text.to_uppercase()]);
        } else {
            self.request("SS", &[&text]);
        }
        self.is_first = true;
    }

    fn begin_paragraph(&mut self) {
        self.flush();
        if !std::mem::take(&mut self.is_first) {
            self.request(if self.indents == 0 { "PP" } else { "IP" }, &[]);
        }
    }

    fn begin_code(&mut self) {
        self.begin_paragraph();
        self.request("RS", &["4"]);
        self.request("EX", &[]);
        self.is_code = true;
    }

    fn code(&mut self, text: &str) {
        for line in text.lines() {
            self.roff.text([roman(links::installed(line))]);
        }
    }

    fn end_code(&mut self) {
        self.is_code = false;
        self.request("EE", &[]);
        self.request("RE", &[]);
    }

    fn begin_list(&mut self, first: Option<u64>) {
        self.flush();
        if self.indents > 0 {
            self.request("RS", &[]);
        }
        self.lists.push(first);
        self.indents += 1;
    }

    fn begin_item(&mut self) {
        match self.lists.last_mut() {
            Some(Some(number)) => {
                let marker = format!("{number}.");
                *number += 1;
                self.request("IP", &[&marker, "4"]);
            }
            _ => self.request("IP", &["\\(bu", "2"]),
        }
        self.is_first = true;
        self.begins_item = true;
    }

    fn end_list(&mut self) {
        self.flush();
        self.lists.pop();
        self.indents -= 1;
        if self.indents > 0 {
            self.request("RE", &[]);
        }
        self.is_first = false;
    }
}
