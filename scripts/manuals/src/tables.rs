//! A table becomes a list: the first cell is the term, and the others are its text. So it reads well on a narrow
//! terminal, and needs no preprocessor.

use clap_mangen::roff::{Inline, Roff, roman};

use crate::inlines::{plain, terms};

type Cell = Vec<Inline>;

/// A table that is being read: its header, and the cells of the row so far.
#[derive(Default)]
pub(crate) struct Table {
    header: Vec<Cell>,
    row: Vec<Cell>,
}

impl Table {
    pub(crate) fn end_cell(&mut self, cell: Cell) {
        self.row.push(cell);
    }

    pub(crate) fn end_header(&mut self) {
        self.header = std::mem::take(&mut self.row);
    }

    /// Writes the row to `roff`. Returns the terms in its first cell. With more than two columns, each text begins with
    /// the name of its column.
    pub(crate) fn end_row(&mut self, roff: &mut Roff) -> Vec<String> {
        let mut cells = std::mem::take(&mut self.row).into_iter();
        let term = cells.next().unwrap_or_default();
        let found = terms(&term);
        roff.control("TP", []);
        roff.text(term);
        let is_wide = self.header.len() > 2;
        let cells = self.header.iter().skip(1).zip(cells).filter(|(_, cell)| !cell.is_empty());
        for (index, (header, cell)) in cells.enumerate() {
            if index > 0 {
                roff.control("br", []);
            }
            let label = is_wide.then(|| roman(format!("{}: ", plain(header))));
            roff.text(label.into_iter().chain(cell).collect::<Vec<_>>());
        }
        found
    }
}
