//! Renders haproxy.cfg from a template and the nodes directory, and lets it go live only after a check.
//!
//! The same nodes give the same bytes, and equal bytes are not written again: whoever watches the file
//! sees it change when the configuration changes, and at no other time.

mod check;
mod context;
mod cut;
mod diff;
mod escape;
mod filters;
mod guard;
mod limits;
mod output;
mod place;
mod scratch;
mod server;
mod template;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::lock::duration;
use common::node::Node;
use common::records::{NodesError, read_all};
use common::rewrite::Written;
use common::talk::{Code, Failure, Talk, TalkArgs};

use check::Check;
use guard::Floor;
use output::Output;
use scratch::Scratch;
use template::{Template, TemplateError};

const PROGRAM: &str = "render-cfg";

/// Render haproxy.cfg from a template and the node records
///
/// The text goes to a file beside the output, is looked at by --check, and only then takes the output's
/// place. If it is the same as the output, nothing is written.
#[derive(Parser, Debug)]
#[command(name = PROGRAM, version, after_help = AFTER_HELP)]
struct Args {
    /// The template (Tera); see the manual for what it may use
    #[arg(long, value_name = "FILE")]
    template: PathBuf,
    /// Directory of the node records
    #[arg(long, value_name = "DIR", env = "NODES_DIR", default_value = "/nodes")]
    nodes: PathBuf,
    /// Where to write; - is stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Command that must succeed on the new text before it goes live; {} is its path
    #[arg(long, value_name = "CMD", value_parser = Check::parse)]
    check: Option<Check>,
    /// How long the check may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = some_time)]
    check_timeout: Duration,
    /// Keep the output if fewer than N nodes (of ROLE) are usable; may be given more than once
    #[arg(long, value_name = "[ROLE=]N", value_parser = Floor::parse)]
    min_nodes: Vec<Floor>,
    /// Give the template a variable, vars.K; may be given more than once
    #[arg(long = "set", value_name = "K=V", value_parser = variable)]
    vars: Vec<(String, String)>,
    /// Print what would change in the output, and write nothing
    #[arg(long, conflicts_with = "dry_run")]
    diff: bool,
    /// Do everything but write, and say in one line what would be done
    #[arg(long)]
    dry_run: bool,
    /// How long to wait while another run writes the same output
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    lock_timeout: Duration,
    #[command(flatten)]
    talk: TalkArgs,
}

const AFTER_HELP: &str = "\
Exit status:
  0  done, or nothing to do
  1  something unforeseen
  2  called wrongly
  3  a record, a tag or the template is wrong; what was good has been rendered
  4  the file system said no
  5  the check said no
  6  fewer nodes than --min-nodes: the output stays
  7  another run held the lock for too long

Example:
  render-cfg --template haproxy.cfg.tera --output /etc/haproxy/haproxy.cfg \\
             --check 'haproxy -c -f {}'";

fn main() -> ExitCode {
    let args = Args::parse();
    let mut talk = Talk::open(PROGRAM, &args.talk);
    let result = run(&args, &mut talk);
    talk.end(result)
}

fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let output = open_output(args)?;
    // Never freed, as the context: the program ends soon.
    let mut nodes = ManuallyDrop::new(read_nodes(&args.nodes, talk)?);
    let (text, left_out) = render(args, &mut nodes)?;
    for (name, problem) in &left_out {
        talk.fault(Failure::new(Code::Input, format!("cannot serve '{name}': {problem}")));
    }
    let Some(output) = output else {
        check(args, &text, "stdout", talk)?;
        return print(&text);
    };
    if args.diff {
        let old = output.old().unwrap_or_default();
        return print(&diff::unified(&output.name().to_string_lossy(), old, &text));
    }
    guard(args, &output, nodes.iter().filter(|node| !left_out.contains_key(&node.name)))?;
    if output.is_settled(&text) {
        return leave(args, &output, talk);
    }
    if args.dry_run {
        return rehearse(args, &output, &text, talk);
    }
    write(args, &output, &text, talk)
}

/// Opens the output, locked unless nothing will be written; `None` is stdout.
fn open_output(args: &Args) -> Result<Option<Output>, Failure> {
    let dry = args.diff || args.dry_run;
    match (args.output.as_os_str() == "-", dry) {
        (true, true) => Err(Failure::new(Code::Usage, "cannot compare with 'stdout': name an --output")),
        (true, false) => Ok(None),
        (false, true) => Ok(Some(Output::look(&args.output, &args.template)?)),
        (false, false) => Ok(Some(Output::lock(&args.output, &args.template, args.lock_timeout)?)),
    }
}

/// Reads the records; those that cannot be read are said and passed over.
fn read_nodes(path: &Path, talk: &mut Talk) -> Result<Vec<Node>, Failure> {
    let (nodes, faults) = read_all(path).map_err(|err| match err {
        // Not an empty pool: a slip in --nodes would take every server out of service.
        NodesError::Io { err, .. } if err.kind() == ErrorKind::NotFound => {
            let path = path.display();
            Failure::new(
                Code::Files,
                format!("cannot read '{path}': there is no such directory; mkdir -p {path}"),
            )
        }
        err => err.into(),
    })?;
    for fault in faults {
        talk.fault(Failure::new(Code::Input, fault));
    }
    Ok(nodes)
}

/// Renders the nodes; also gives those that cannot be served, with the reason, by name.
fn render(args: &Args, nodes: &mut [Node]) -> Result<(String, BTreeMap<String, String>), Failure> {
    let vars = args.vars.iter().cloned().collect();
    let template = ManuallyDrop::new(Template::read(&args.template).map_err(template_failure)?);
    let text = template.render(context::context(nodes, &vars)).map_err(template_failure)?;
    Ok((text, template.left_out().into_iter().collect()))
}

fn template_failure(err: TemplateError) -> Failure {
    let line = err.line();
    Failure::from(err).with_more(line)
}

/// Refuses to shrink the pool below a floor, if there is a configuration to keep.
fn guard<'n>(
    args: &Args,
    output: &Output,
    usable: impl Iterator<Item = &'n Node> + Clone,
) -> Result<(), Failure> {
    if output.old().is_none_or(<[u8]>::is_empty) {
        return Ok(());
    }
    match args.min_nodes.iter().find_map(|floor| floor.shortfall(usable.clone())) {
        None => Ok(()),
        Some(why) => {
            let name = output.name().display();
            let line =
                format!("cannot replace '{name}': {why}, so it stays; lower --min-nodes if this is right");
            Err(Failure::new(Code::Guard, line))
        }
    }
}

fn leave(args: &Args, output: &Output, talk: &mut Talk) -> Result<(), Failure> {
    let name = output.name().display();
    talk.say_idle(format!("left '{name}' as it is: nothing changed"));
    if args.dry_run { print(&format!("would leave '{name}' as it is\n")) } else { Ok(()) }
}

/// Has the text checked and says what writing it would change.
fn rehearse(args: &Args, output: &Output, text: &str, talk: &mut Talk) -> Result<(), Failure> {
    let name = output.name().display().to_string();
    check(args, text, &name, talk)?;
    print(&format!("would write '{name}': {}\n", diff::summary(output.old().unwrap_or_default(), text)))
}

/// Stages the text, has it checked, and puts it in the output's place.
fn write(args: &Args, output: &Output, text: &str, talk: &mut Talk) -> Result<(), Failure> {
    let name = output.name().display();
    let staged = output.stage(text)?;
    let mut synced = Ok(());
    let sync = || synced = output.sync(&staged);
    check_at(args, staged.path(), text, &name.to_string(), talk, sync)?;
    synced?;
    if output.install(staged, text)? == Written::InPlace {
        talk.warn(format!("wrote '{name}' in place: it is a mount point, so a reader may see half of it"));
    } else {
        talk.say(format!("wrote '{name}'"));
    }
    Ok(())
}

/// Checks a text that does not get a place beside an output.
fn check(args: &Args, text: &str, name: &str, talk: &mut Talk) -> Result<(), Failure> {
    if args.check.is_none() {
        return Ok(());
    }
    let scratch = Scratch::write(text).map_err(|err| {
        Failure::new(
            Code::Files,
            format!("cannot write a file for the check to '{}': {err}", Scratch::place()),
        )
    })?;
    check_at(args, scratch.path(), text, name, talk, || {})
}

/// Has the file at `path`, which holds `text` and is known to the operator as `name`, checked, and does `work`
/// beside it.
fn check_at(
    args: &Args,
    path: &Path,
    text: &str,
    name: &str,
    talk: &mut Talk,
    work: impl FnOnce(),
) -> Result<(), Failure> {
    let Some(check) = &args.check else {
        work();
        return Ok(());
    };
    let verdict = check.run(path, text, args.check_timeout, work);
    let said = check::explain(&verdict.said, path, name, text, &args.template);
    match verdict.refused {
        None => said.iter().for_each(|line| talk.say(line)),
        Some(why) => {
            let line = format!("cannot use '{name}': {why}");
            return Err(Failure::new(Code::Haproxy, line).with_more(said));
        }
    }
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|err| Failure::new(Code::Files, format!("cannot write 'stdout': {err}")))
}

/// Reads a length of time that is not zero, in which no check can be done.
fn some_time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("a check takes some time".to_owned()) } else { Ok(time) }
}

/// Reads `K=V`; K can be written after `vars.` in a template.
fn variable(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    let is_word = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if key.is_empty() || !is_word || key.as_bytes()[0].is_ascii_digit() {
        return Err(format!("the key '{key}' is no name: letters, digits and '_', no digit first"));
    }
    Ok((key.to_owned(), value.to_owned()))
}
