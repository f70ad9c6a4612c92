//! The forms of values: what each is called, how it is read from TOML, and how it is written.
//!
//! What can go wrong: a value of another type or outside its range. The complaint says what would be right.

use crate::config::value;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// Takes a complaint about what stands at a place of the file.
pub(super) type Complain<'a> = &'a mut dyn FnMut(Range<usize>, String);

/// A form of values.
pub(super) trait Form: Sized {
    /// What it is called in the manual.
    const FORM: &'static str;
    /// Reads a value, or complains.
    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self>;
    /// The value as it would stand in the file; none when nothing is set.
    fn show(&self) -> Option<String>;
    /// What it is when nothing is set and nothing is the default.
    fn unset() -> Option<Self> {
        None
    }
}

impl<T: Form> Form for Option<T> {
    const FORM: &'static str = T::FORM;

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        T::read(value, complain).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(Form::show)
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

/// Reads by `reader`, which says nothing but yes or no; `right` is what would be right.
pub(super) fn read_or<T>(
    value: &Spanned<DeValue<'_>>,
    complain: Complain<'_>,
    right: &str,
    reader: impl FnOnce(&DeValue<'_>) -> Option<T>,
) -> Option<T> {
    let read = reader(value.get_ref());
    if read.is_none() {
        complain(
            value.span(),
            format!("{} is not {right}", shown(value.get_ref())),
        );
    }
    read
}

/// A value as a complaint shows it.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(&text.chars().take(60).collect::<String>()),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Boolean(on) => on.to_string(),
        other => format!("a value of type {}", other.type_str()),
    }
}

/// A whole number that is not negative.
pub(super) fn number(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Text as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident $form:literal { $($(#[$doc:meta])* $word:literal $variant:ident)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl Form for $name {
            const FORM: &'static str = $form;

            fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
                let right = format!("one of {}", $form.replace(" | ", ", "));
                read_or(value, complain, &right, |value| match value.as_str()? {
                    $($word => Some($name::$variant),)+
                    _ => None,
                })
            }

            fn show(&self) -> Option<String> {
                Some(quoted(match self { $($name::$variant => $word,)+ }))
            }
        }
    };
}

pub(super) use words;

words! {
    /// When a commit counts.
    Synchronous "normal | full" {
        /// When the kernel has it; a thread syncs soon after.
        "normal" Normal
        /// When the disk has it.
        "full" Full
    }
}

words! {
    /// What becomes of new deliveries when the spool is full.
    WhenFull "drop | block" {
        /// They are lost, loudly.
        "drop" Drop
        /// Their senders wait.
        "block" Block
    }
}

words! {
    /// The least important lines that are logged.
    Level "error | warning | info | debug" {
        /// What needs somebody.
        "error" Error
        /// What went wrong, too.
        "warning" Warning
        /// What is normal, too.
        "info" Info
        /// All there is.
        "debug" Debug
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub bool);

impl Form for Flag {
    const FORM: &'static str = "boolean";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        read_or(value, complain, "true or false", |value| value.as_bool()).map(Flag)
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A number of things that has a limit, or 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub u64);

impl Form for Limit {
    const FORM: &'static str = "number";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let fits =
            |value: &DeValue<'_>| number(value).filter(|number| i64::try_from(*number).is_ok());
        read_or(value, complain, "a number such as 1000000", fits).map(Limit)
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A part of a hundred, or 0 for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u64);

impl Form for Percent {
    const FORM: &'static str = "number";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let fits = |value: &DeValue<'_>| number(value).filter(|number| *number <= 100);
        read_or(value, complain, "a number from 0 to 100", fits).map(Percent)
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// How many attempts at once: each is a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permits(pub u64);

impl Form for Permits {
    const FORM: &'static str = "number";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let fits = |value: &DeValue<'_>| number(value).filter(|number| (1..=256).contains(number));
        read_or(value, complain, "a number from 1 to 256", fits).map(Permits)
    }

    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl Form for Size {
    const FORM: &'static str = "size";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        read_or(
            value,
            complain,
            "a size from \"64K\", such as \"512M\" or \"4G\"",
            |value| {
                let bytes = match value {
                    DeValue::String(text) => {
                        u64::try_from(value::byte_size(text.as_bytes(), 1)?).ok()?
                    }
                    other => number(other)?,
                };
                (64 << 10..=i64::MAX as u64)
                    .contains(&bytes)
                    .then_some(Size(bytes))
            },
        )
    }

    fn show(&self) -> Option<String> {
        let units = [(30, "G"), (20, "M"), (10, "K")];
        let unit = units
            .into_iter()
            .find(|(bits, _)| self.0.trailing_zeros() >= *bits && self.0 > 0);
        Some(match unit {
            Some((bits, letter)) => quoted(&format!("{}{letter}", self.0 >> bits)),
            None => self.0.to_string(),
        })
    }
}
