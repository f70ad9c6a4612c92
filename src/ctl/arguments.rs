//! The arguments of a command: options are taken out by name, what is left is ids or a mistake.

use super::Failure;
use std::ffi::OsString;

/// Arguments that nobody has taken yet.
pub(super) struct Arguments(Vec<String>);

impl Arguments {
    /// All of them. They must be text.
    pub(super) fn new(arguments: &[OsString]) -> Result<Arguments, Failure> {
        let text = |argument: &OsString| {
            argument
                .to_str()
                .map(str::to_owned)
                .ok_or_else(|| Failure::Usage(format!("what is '{}'?", argument.display())))
        };
        arguments
            .iter()
            .map(text)
            .collect::<Result<_, _>>()
            .map(Arguments)
    }

    /// Whether `option` is there; it is taken.
    pub(super) fn flag(&mut self, option: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|argument| argument != option);
        self.0.len() < before
    }

    /// The value behind the first `option` (`--option VALUE` or `--option=VALUE`); both are taken.
    pub(super) fn value(&mut self, option: &str) -> Result<Option<String>, Failure> {
        let joined = format!("{option}=");
        for place in 0..self.0.len() {
            if self.0[place] == option {
                if place + 1 == self.0.len() {
                    return Err(Failure::Usage(format!("{option} needs a value")));
                }
                self.0.remove(place);
                return Ok(Some(self.0.remove(place)));
            }
            if let Some(value) = self.0[place].strip_prefix(&joined) {
                let value = value.to_owned();
                self.0.remove(place);
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// What is left, whatever it looks like: what stands behind `--`.
    pub(super) fn all(self) -> Vec<String> {
        self.0
    }

    /// The file after the last `-C`, which may follow without a blank, as with getopt(3).
    pub(super) fn file(&mut self) -> Result<Option<String>, Failure> {
        let mut file = None;
        while let Some(place) = self
            .0
            .iter()
            .position(|argument| argument.starts_with("-C"))
        {
            file = match self.0.remove(place).strip_prefix("-C") {
                Some(joined) if !joined.is_empty() => Some(joined.to_owned()),
                _ if place == self.0.len() => {
                    return Err(Failure::Usage("-C needs a value".into()));
                }
                _ => Some(self.0.remove(place)),
            };
        }
        Ok(file)
    }

    /// What is left, when no option is among it.
    pub(super) fn rest(&mut self) -> Result<Vec<String>, Failure> {
        match self.0.iter().find(|argument| argument.starts_with('-')) {
            Some(option) => Err(Failure::Usage(format!("unknown option {option}"))),
            None => Ok(std::mem::take(&mut self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        Arguments(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn options_are_taken_by_name() {
        let mut a = arguments("--json --state hold 12 --state=failed");
        assert!(a.flag("--json") && !a.flag("--json"));
        assert_eq!(a.value("--state").ok().flatten().as_deref(), Some("hold"));
        assert_eq!(a.value("--state").ok().flatten().as_deref(), Some("failed"));
        assert!(matches!(a.value("--state"), Ok(None)));
        let mut b = arguments("-C a x -Cb");
        assert_eq!(
            b.file().ok().flatten().as_deref(),
            Some("b"),
            "the last counts"
        );
        assert!(matches!(b.rest().as_deref(), Ok([x]) if x == "x"));
        assert!(arguments("-C").file().is_err());
        assert_eq!(a.rest().ok().unwrap(), ["12"]);
        assert!(matches!(
            arguments("--state").value("--state"),
            Err(Failure::Usage(_))
        ));
        assert!(matches!(
            arguments("--nonsense").rest(),
            Err(Failure::Usage(_))
        ));
    }
}
