//! An SVG that is being drawn: its background, style, title, lines and text.

use std::fmt::Write as _;

pub(super) const WIDTH: f64 = 800.0;
pub(super) const EDGE: f64 = 16.0;
/// The top of the drawing, below the title and its explanation.
pub(super) const TOP: f64 = 64.0;

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}.small{font-size:12px;fill:#59636e}\
.ground{fill:#fff;stroke:#d1d9e0}.grid{stroke:#d1d9e0}.axis{stroke:#818b98}.bar{fill:#b6bfc9}.ours{fill:#1f6feb}\
.line{fill:none;stroke-width:2}.guide{stroke:#818b98;stroke-dasharray:3 4}\
.c0{stroke:#1f6feb}.c1{stroke:#d1601f}.c2{stroke:#1a7f4b}.c3{stroke:#a6409b}.c4{stroke:#9a7b00}.c5{stroke:#59636e}\
.d0{fill:#1f6feb}.d1{fill:#d1601f}.d2{fill:#1a7f4b}.d3{fill:#a6409b}.d4{fill:#9a7b00}.d5{fill:#59636e}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}.ground{fill:#0d1117;stroke:#3d444d}\
.grid{stroke:#2a313c}.axis{stroke:#656c76}.bar{fill:#4b545f}.ours{fill:#4493f8}\
.c0{stroke:#4493f8}.c1{stroke:#f0883e}.c2{stroke:#3fb950}.c3{stroke:#db70d0}.c4{stroke:#d9b42c}.c5{stroke:#9198a1}\
.d0{fill:#4493f8}.d1{fill:#f0883e}.d2{fill:#3fb950}.d3{fill:#db70d0}.d4{fill:#d9b42c}.d5{fill:#9198a1}}";
/// The colours of lines, as named in the style.
pub(super) const COLOURS: usize = 6;

/// An SVG that is being drawn.
pub(super) struct Canvas {
    text: String,
}

impl Canvas {
    /// A canvas with its background, title and explanation.
    pub(super) fn new(height: f64, title: &str, about: &str) -> Canvas {
        let mut canvas = Canvas {
            text: format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
                 height=\"{height}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>\n<style>{STYLE}</style>\n",
                escaped(title)
            ),
        };
        canvas.add(&format!(
            "<rect class=\"ground\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
            WIDTH - 1.0,
            height - 1.0
        ));
        canvas.write(EDGE, 28.0, "title", "start", title);
        canvas.write(EDGE, 47.0, "small", "start", about);
        canvas
    }

    pub(super) fn add(&mut self, element: &str) {
        self.text.push_str(element);
        self.text.push('\n');
    }

    pub(super) fn write(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        let text = escaped(text);
        let _ = writeln!(
            self.text,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(&format!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    pub(super) fn end(mut self) -> String {
        self.add("</svg>");
        self.text
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(escaped("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
    }
}
