//! `deadstick inject KIND`: one subcommand for each kind of fault, made from core's catalogue.
//!
//! Owns the turn from a catalogue entry to options and help, and from what was typed to an [`Inject`]. Leaves what the
//! values of parameters mean to core's reader, and what a target is to the runner.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, FromArgMatches, Subcommand, value_parser};
use deadstick_core::fault::catalogue::{self, Aim, Family, Kind, Need, Parameter, Value};
use deadstick_core::fault::{FaultKind, Target};
use deadstick_core::units::HumanDuration;

use super::dsn;

/// What is to be injected, as typed.
#[derive(Clone, Debug)]
pub(crate) struct Inject {
    /// Which kind.
    pub(crate) kind: FaultKind,
    /// Its parameters; a flag has the value `true`.
    pub(crate) parameters: Vec<(&'static str, String)>,
    /// On whom.
    pub(crate) target: Target,
    /// For how long.
    pub(crate) lease: HumanDuration,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
    /// Hold it in the background.
    pub(crate) detach: bool,
    /// Whom proofs talk to.
    pub(crate) witness: Option<SocketAddr>,
    /// The policy to go by instead of the host's.
    pub(crate) policy: Option<PathBuf>,
    /// On whose timeline it is recorded.
    pub(crate) incident: Option<String>,
}

/// How wide help may be: that of a terminal nobody has widened.
const WIDTH: usize = 80;

const TEMPLATE: &str =
    "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}{after-help}";

const AFTER: &str = "`deadstick inject KIND --help` says what a kind does, what it needs, and how it is undone, with an \
    example. The fault is held until its lease ends or Ctrl-C; --detach holds it in the background.";

const FAMILIES: [Family; 6] =
    [Family::Network, Family::Sockets, Family::Processes, Family::Storage, Family::Databases, Family::Load];

/// Kinds by family, as `inject --help` lists them.
fn families() -> String {
    let mut text = String::new();
    for family in FAMILIES {
        let word = family.word();
        text.push_str(&format!("{}{}:\n", word[..1].to_uppercase(), &word[1..]));
        for one in catalogue::all().filter(|one| one.family == family) {
            let about = hanging(one.about.split(' '), COLUMN);
            text.push_str(&format!("  {:<width$}{about}\n", one.kind.word(), width = COLUMN - 2));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// Where the second column begins.
const COLUMN: usize = 23;

/// Words in lines that begin in the same column.
fn hanging<'a>(words: impl IntoIterator<Item = &'a str>, column: usize) -> String {
    let (mut out, mut at) = (String::new(), column);
    for word in words {
        let width = word.chars().count();
        if at > column && at + 1 + width > WIDTH {
            out.push_str(&format!("\n{:column$}", ""));
            at = column;
        } else if at > column {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += width;
    }
    out
}

impl Subcommand for Inject {
    fn augment_subcommands(command: Command) -> Command {
        command
            .subcommands(catalogue::all().map(subcommand))
            .subcommand_value_name("KIND")
            .before_help(families())
            .after_help(AFTER)
            .help_template(TEMPLATE)
            .disable_help_subcommand(true)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name.parse::<FaultKind>().is_ok()
    }
}

fn subcommand(entry: &'static Kind) -> Command {
    let whom: Vec<&'static str> = entry.aims.iter().filter_map(|aim| aim.option()).collect();
    let mut command = Command::new(entry.kind.word())
        .about(entry.about)
        .override_usage(usage(entry, &whom))
        .after_help(after(entry));
    if !whom.is_empty() {
        let group = ArgGroup::new("whom").args(whom).multiple(false);
        command = command.group(group.required(!entry.aims.contains(&Aim::Host)));
    }
    command = command.args(entry.aims.iter().filter_map(|aim| target(entry, *aim)));
    command = command.args(entry.all_parameters().map(parameter));
    if has_witness(entry) {
        command = command.arg(
            Arg::new("witness")
                .long("witness")
                .value_name("ADDRESS:PORT")
                .value_parser(value_parser!(SocketAddr))
                .help_heading("Target")
                .help("A TCP server to talk to, as proof that the fault landed [default: what --to names, if anything answers]"),
        );
    }
    command.args(common())
}

/// The line of what must be given, in the order in which one says it.
fn usage(entry: &Kind, whom: &[&'static str]) -> String {
    let mut words = vec![format!("deadstick inject {}", entry.kind)];
    match (entry.aims.contains(&Aim::Host), whom) {
        (_, []) => {}
        (true, _) => words.push("[TARGET]".to_owned()),
        (false, [only]) => words.push(format!("--{only} <{}>", only.to_uppercase())),
        (false, _) => words.push("<TARGET>".to_owned()),
    }
    let required = entry.all_parameters().filter(|one| one.need == Need::Required);
    words.extend(required.map(|one| format!("--{} <{}>", one.name, one.value.placeholder())));
    words.push("--for <DURATION> [OPTIONS]".to_owned());
    hanging(words.iter().map(String::as_str), "Usage: ".len())
}

/// Whether the proof of a kind may talk to somebody.
fn has_witness(entry: &Kind) -> bool {
    (entry.family == Family::Network && entry.kind != FaultKind::Dns)
        || matches!(entry.kind, FaultKind::Vanish | FaultKind::SocketKill)
}

fn target(entry: &Kind, aim: Aim) -> Option<Arg> {
    let name = aim.option()?;
    let (value, help) = match aim {
        Aim::Host => return None,
        Aim::Pid => ("PID", "The process with this number"),
        Aim::Process => ("PATTERN", "The processes whose command line matches this regular expression"),
        Aim::Unit => ("UNIT", "This systemd unit"),
        Aim::Cgroup => ("PATH", "This control group, by its path below the mount"),
        Aim::Container => ("ID", "This container, by its id or the beginning of it"),
        Aim::User => ("USER", "This user's sockets, by name or number"),
        Aim::Netns => ("NAME", "This network namespace, as `ip netns` names it"),
        Aim::Dsn => {
            ("URL", "This database; the password may be in $PGPASSWORD, $MYSQL_PWD or $REDISCLI_AUTH")
        }
        Aim::Path => ("PATH", "This file or folder"),
    };
    let mut help = help.to_owned();
    if entry.aims.contains(&Aim::Host) && entry.aims.iter().find_map(|aim| aim.option()) == Some(name) {
        help.push_str(" [default: this machine]");
    }
    let parser = move |text: &str| Target::read(aim, text);
    Some(Arg::new(name).long(name).value_name(value).value_parser(parser).help_heading("Target").help(help))
}

fn parameter(parameter: &'static Parameter) -> Arg {
    let arg = Arg::new(parameter.name).long(parameter.name).help_heading("Parameters");
    let help = match (parameter.need, parameter.value) {
        (Need::Required, _) | (_, Value::Flag) => parameter.about.to_owned(),
        (Need::Otherwise(otherwise), _) => format!("{} [default: {otherwise}]", parameter.about),
    };
    let arg = arg.help(help).required(parameter.need == Need::Required);
    match parameter.value {
        Value::Flag => return arg.action(ArgAction::SetTrue),
        Value::Word(words) => {
            arg.value_parser(clap::builder::PossibleValuesParser::new(words)).ignore_case(true)
        }
        Value::Integer => arg.allow_negative_numbers(true),
        value if value.is_list() => arg.action(ArgAction::Append),
        _ => arg,
    }
    .value_name(parameter.value.placeholder())
}

/// What goes for every kind.
fn common() -> [Arg; 5] {
    [
        Arg::new("for")
            .long("for")
            .value_name("DURATION")
            .required(true)
            // What looks like a flag is a length that nobody can mean, and is told so.
            .allow_hyphen_values(true)
            .value_parser(lease)
            .help("For how long, such as 30s: there is no fault without an end"),
        Arg::new("dry-run")
            .long("dry-run")
            .action(ArgAction::SetTrue)
            .help("Print every object it would touch, with its undo, and touch nothing"),
        Arg::new("detach").long("detach").action(ArgAction::SetTrue).conflicts_with("dry-run").help(
            "Hold it in the background; return when it has landed, with its id for `deadstick restore`",
        ),
        Arg::new("policy")
            .long("policy")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("What may be touched, in TOML [default: /etc/deadstick/policy.toml]"),
        Arg::new("incident")
            .long("incident")
            .value_name("ID")
            .help("Record it on this incident's timeline [default: the newest one, if it is open]"),
    ]
}

fn lease(text: &str) -> Result<HumanDuration, String> {
    match text.parse::<HumanDuration>() {
        Ok(length) if length.0.as_millis() == 0 => Err("a fault must last at least 1ms".to_owned()),
        Ok(length) => Ok(length),
        Err(error) => Err(error.to_string()),
    }
}

/// What it needs, how it is undone, and an example that fits the screen and can be pasted.
fn after(entry: &Kind) -> String {
    let mut example = "deadstick inject".to_owned();
    let mut line = example.len();
    for (place, part) in entry.example.split(" --").enumerate() {
        let part = if place == 0 { format!(" {part}") } else { format!(" --{part}") };
        if line + part.len() + 4 > WIDTH {
            example.push_str(" \\\n     ");
            line = 5;
        }
        line += part.len();
        example.push_str(&part);
    }
    let databases = dsn::forms(entry.kind).map_or(String::new(), |forms| format!("\n{forms}"));
    format!("Needs: {}.\nUndo: {}.\n{databases}\nExample:\n  {example}", entry.needs, entry.undo)
}

impl FromArgMatches for Inject {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || {
            clap::Error::raw(
                ErrorKind::MissingSubcommand,
                "which kind of fault? see `deadstick inject --help`\n",
            )
        };
        let (word, matches) = matches.subcommand().ok_or_else(missing)?;
        let kind = word
            .parse::<FaultKind>()
            .map_err(|error| clap::Error::raw(ErrorKind::InvalidSubcommand, error))?;
        let entry = catalogue::of(kind);
        let parameters = entry.all_parameters().filter_map(|one| Some((one.name, value(matches, one)?)));
        let mut aims = entry.aims.iter().filter_map(|aim| aim.option());
        let lease = matches.get_one::<HumanDuration>("for").copied();
        Ok(Self {
            kind,
            parameters: parameters.collect(),
            target: aims.find_map(|name| matches.get_one::<Target>(name).cloned()).unwrap_or(Target::Host),
            lease: lease
                .ok_or_else(|| clap::Error::raw(ErrorKind::MissingRequiredArgument, "--for is required\n"))?,
            dry_run: matches.get_flag("dry-run"),
            detach: matches.get_flag("detach"),
            witness: has_witness(entry).then(|| matches.get_one("witness").copied()).flatten(),
            policy: matches.get_one("policy").cloned(),
            incident: matches.get_one::<String>("incident").cloned(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn value(matches: &ArgMatches, parameter: &Parameter) -> Option<String> {
    match parameter.value {
        Value::Flag => matches.get_flag(parameter.name).then(|| "true".to_owned()),
        value if value.is_list() => {
            let values: Vec<&str> = matches.get_many::<String>(parameter.name)?.map(String::as_str).collect();
            Some(values.join(","))
        }
        _ => matches.get_one::<String>(parameter.name).cloned(),
    }
}
