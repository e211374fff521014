//! The settings that a template sees as `vars.NAME`.

/// A setting.
#[derive(Clone, Debug)]
pub(crate) struct Var {
    /// The NAME in `vars.NAME`.
    pub(crate) name: String,
    pub(crate) value: String,
    /// The environment variable that it comes from. `None` if it comes from `--set`.
    pub(crate) variable: Option<String>,
}

impl Var {
    /// Parses `K=V`. K must be a name that a template can use as `vars.K`.
    pub(crate) fn parse(text: &str) -> Result<Var, String> {
        let (name, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
        if name.is_empty() || !name.bytes().all(is_name_byte) || name.as_bytes()[0].is_ascii_digit() {
            return Err(format!(
                "the key '{name}' is not a valid name: use letters, digits and '_', and begin with a letter or '_'"
            ));
        }
        Ok(Var { name: name.to_owned(), value: value.to_owned(), variable: None })
    }
}

/// Whether a name may have this byte, after its first.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
