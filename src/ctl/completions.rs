//! `notifyctl completions SHELL`: what bash, zsh and fish need to complete its commands and options.
//!
//! All of it is made from the table of commands, whose usage texts name each option; see [`super::options`].

use super::arguments::Arguments;
use super::options::{Opt, parts, with_value};
use super::{COMMANDS, Command, Failure, Streams, watch};
use crate::method::METHODS;
use crate::spool::queue::STATES;
use std::fmt::Write as _;

/// The shells, as the command's usage names them.
pub(super) const SHELLS: &str = "bash|zsh|fish";

pub(super) fn run(mut arguments: Arguments, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let script = match arguments
        .rest()?
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()[..]
    {
        ["bash"] => bash(),
        ["zsh"] => zsh(),
        ["fish"] => fish(),
        _ => {
            return Err(Failure::Usage(format!(
                "completions: for which shell? {SHELLS}"
            )));
        }
    };
    Ok(streams.out.write_all(script.as_bytes())?)
}

impl Opt {
    /// The values that there are, when they can be listed.
    fn values(&self) -> Vec<&'static str> {
        match self.name {
            "--state" => STATES.to_vec(),
            "--status" => watch::STATUSES.to_vec(),
            "--method" => METHODS.iter().map(|kind| kind.name).collect(),
            "--class" => vec!["SIEVE", "MAIL", "EVENT", "IMIP"],
            "--priority" => vec!["low", "normal", "high"],
            _ => Vec::new(),
        }
    }
}

/// Options and words of a command, with blanks between.
fn offered(command: &Command) -> String {
    let (options, words) = parts(command);
    let names = options.iter().map(|option| option.name);
    names.chain(words).collect::<Vec<_>>().join(" ")
}

fn names() -> String {
    let names: Vec<&str> = COMMANDS
        .iter()
        .map(|command| command.name)
        .chain(["help"])
        .collect();
    names.join(" ")
}

/// The branches of a shell's `case` by the option before the cursor.
fn cases(files: &str, list: impl Fn(&str) -> String, nothing: &str) -> String {
    let mut text = String::new();
    for option in with_value() {
        let values = option.values().join(" ");
        let act = match (option.takes_file(), values.is_empty()) {
            (true, _) => files.to_owned(),
            (false, false) => list(&values),
            (false, true) => nothing.to_owned(),
        };
        let _ = writeln!(text, "    {}) {act}; return ;;", option.name); // a String takes everything
    }
    text
}

fn bash() -> String {
    let list = |words: &str| format!("COMPREPLY=( $(compgen -W '{words}' -- \"$cur\") )");
    let by_option = cases(
        "compopt -o filenames; COMPREPLY=( $(compgen -f -- \"$cur\") )",
        list,
        ":",
    );
    let commands: String = COMMANDS
        .iter()
        .map(|command| format!("    {}) words='{}' ;;\n", command.name, offered(command)))
        .collect();
    format!(
        "# bash completion of notifyctl(8), made by `notifyctl completions bash`.
_notifyctl() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} words=
    COMPREPLY=()
    if [ \"$COMP_CWORD\" -eq 1 ]; then
        {}
        return
    fi
    case $prev in
{by_option}    esac
    case ${{COMP_WORDS[1]}} in
{commands}    esac
    COMPREPLY=( $(compgen -W \"$words\" -- \"$cur\") )
}}
complete -F _notifyctl notifyctl
",
        list(&names())
    )
}

fn zsh() -> String {
    let quoted = |text: &str| text.replace('\'', "'\\''");
    let described: String = COMMANDS
        .iter()
        .map(|command| format!("        '{}:{}'\n", command.name, quoted(command.summary)))
        .collect();
    let by_option = cases("_files", |words| format!("compadd -- {words}"), ":");
    let commands: String = COMMANDS
        .iter()
        .map(|command| format!("    {}) compadd -- {} ;;\n", command.name, offered(command)))
        .collect();
    format!(
        "#compdef notifyctl
# zsh completion of notifyctl(8), made by `notifyctl completions zsh`.
_notifyctl() {{
    local -a commands
    commands=(
{described}        'help:print the commands'
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    case ${{words[CURRENT-1]}} in
{by_option}    esac
    case ${{words[2]}} in
{commands}    esac
}}
if [ \"${{funcstack[1]}}\" = _notifyctl ]; then
    _notifyctl \"$@\"
else
    compdef _notifyctl notifyctl
fi
"
    )
}

fn fish() -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let mut text = String::from(
        "# fish completion of notifyctl(8), made by `notifyctl completions fish`.
complete -c notifyctl -f
complete -c notifyctl -n __fish_use_subcommand -a help -d 'print the commands'
",
    );
    for command in COMMANDS {
        let name = command.name;
        text += &format!(
            "complete -c notifyctl -n __fish_use_subcommand -a {name} -d '{}'\n",
            quoted(command.summary)
        );
        let head = format!("complete -c notifyctl -n '__fish_seen_subcommand_from {name}'");
        let (options, words) = parts(command);
        for option in options {
            let how = match option.name.strip_prefix("--") {
                Some(long) => format!("-l {long}"),
                None => format!("-s {}", option.name.trim_start_matches('-')),
            };
            let value = match (option.value, option.values().join(" ")) {
                (None, _) => String::new(),
                (Some(_), _) if option.takes_file() => " -r -F".into(),
                (Some(_), values) if values.is_empty() => " -x".into(),
                (Some(_), values) => format!(" -x -a '{values}'"),
            };
            text += &format!("{head} {how}{value}\n");
        }
        if !words.is_empty() {
            text += &format!("{head} -a '{}'\n", words.join(" "));
        }
    }
    text
}
