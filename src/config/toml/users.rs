//! A list of users, by name or number.
//!
//! Names are looked up when the file is read. What can go wrong: a user that does not exist, which costs that one.

use super::form::{Complain, Form, quoted};
use nix::unistd::User;
use toml::Spanned;
use toml::de::DeValue;

/// Most users: each may be asked of a directory server.
const MOST: usize = 1000;

/// Users, as their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users(Vec<(String, u32)>);

impl Users {
    /// Their ids.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.0.iter().map(|(_, id)| *id).collect()
    }
}

impl Form for Users {
    const FORM: &'static str = "list";

    fn read(value: &Spanned<DeValue<'_>>, complain: Complain<'_>) -> Option<Self> {
        let Some(array) = value.get_ref().as_array() else {
            complain(
                value.span(),
                "must be a list such as [\"www-data\", 1001]".to_owned(),
            );
            return None;
        };
        if array.len() > MOST {
            complain(value.span(), format!("more than {MOST} users"));
            return None;
        }
        let mut users = Vec::new();
        for value in array {
            match user(value.get_ref()) {
                Ok(user) => users.push(user),
                Err(why) => complain(value.span(), why),
            }
        }
        Some(Users(users))
    }

    fn show(&self) -> Option<String> {
        let shown: Vec<&str> = self.0.iter().map(|(shown, _)| shown.as_str()).collect();
        Some(format!("[{}]", shown.join(", ")))
    }
}

fn user(value: &DeValue<'_>) -> Result<(String, u32), String> {
    match value {
        DeValue::Integer(number) => {
            let id = u32::from_str_radix(number.as_str(), number.radix());
            id.map(|id| (id.to_string(), id))
                .map_err(|_| format!("{number} is not the number of a user"))
        }
        DeValue::String(name) => match User::from_name(name) {
            Ok(Some(user)) => Ok((quoted(name), user.uid.as_raw())),
            Ok(None) => Err(format!("there is no user {}", quoted(name))),
            Err(error) => Err(format!("cannot look up user {}: {error}", quoted(name))),
        },
        other => Err(format!("a value of type {} is no user", other.type_str())),
    }
}
