//! What `--watch` keeps from one render to the next, so that a render costs what has changed.
//!
//! It never changes the result: everything is compared with its file first, a record by its stamp (see
//! `common::records::KnownRecords`) and the template by its text. Nothing here belongs to a text, so a render that fails loses
//! nothing.

use std::path::Path;

use common::records::KnownRecords;

use crate::context::NodeView;
use crate::side_files::SideFiles;
use crate::template::Template;
use crate::template::error::TemplateError;

/// The records and the template of the last render.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) records: KnownRecords<NodeView>,
    pub(crate) template: KeptTemplate,
}

/// The template of the last render.
#[derive(Default)]
pub(crate) struct KeptTemplate(Option<Template>);

impl KeptTemplate {
    /// Reads the template at `path`, and parses it if it has changed. `files` collects the files that its text names.
    pub(crate) fn read(&mut self, path: &Path, files: SideFiles) -> Result<&Template, TemplateError> {
        let source = Template::source(path)?;
        let known = self.0.take().filter(|known| known.is_of(path, &source, &files));
        let template = match known {
            Some(template) => template,
            None => Template::parse(path, source, files).inspect(Template::keep_servers)?,
        };
        Ok(self.0.insert(template))
    }
}
