//! Writes datagrams, the right and the wrong ones. Deliberately not the library's own
//! encoder: it would share the library's mistakes.

/// A notification to be sent; begin with [`note`].
#[derive(Clone, Debug, Default)]
pub struct Note {
    fields: [Vec<u8>; 5],
    nopt: Option<Vec<u8>>,
    options: Vec<Vec<u8>>,
    message: Vec<u8>,
    fname: Option<Vec<u8>>,
}

/// A notification for `method` with all other fields empty.
pub fn note(method: impl AsRef<[u8]>) -> Note {
    let mut note = Note::default();
    note.fields[0] = method.as_ref().to_vec();
    note
}

impl Note {
    fn field(mut self, index: usize, value: impl AsRef<[u8]>) -> Note {
        self.fields[index] = value.as_ref().to_vec();
        self
    }
    pub fn class(self, value: impl AsRef<[u8]>) -> Note {
        self.field(1, value)
    }
    pub fn priority(self, value: impl AsRef<[u8]>) -> Note {
        self.field(2, value)
    }
    pub fn user(self, value: impl AsRef<[u8]>) -> Note {
        self.field(3, value)
    }
    pub fn mailbox(self, value: impl AsRef<[u8]>) -> Note {
        self.field(4, value)
    }
    /// Adds one option.
    pub fn option(mut self, value: impl AsRef<[u8]>) -> Note {
        self.options.push(value.as_ref().to_vec());
        self
    }
    pub fn message(mut self, value: impl AsRef<[u8]>) -> Note {
        self.message = value.as_ref().to_vec();
        self
    }
    pub fn fname(mut self, value: impl AsRef<[u8]>) -> Note {
        self.fname = Some(value.as_ref().to_vec());
        self
    }
    /// Puts this in the place of the true number of options.
    pub fn nopt(mut self, value: impl AsRef<[u8]>) -> Note {
        self.nopt = Some(value.as_ref().to_vec());
        self
    }
    /// The datagram, with its last NUL.
    pub fn bytes(&self) -> Vec<u8> {
        let count = self.options.len().to_string().into_bytes();
        let mut strings: Vec<&[u8]> = self.fields.iter().map(Vec::as_slice).collect();
        strings.push(self.nopt.as_deref().unwrap_or(&count));
        strings.extend(self.options.iter().map(Vec::as_slice));
        strings.push(&self.message);
        strings.extend(self.fname.as_deref());
        let mut all = strings.join(&0);
        all.push(0);
        all
    }
    /// The datagram without its last NUL.
    pub fn bytes_without_last_nul(&self) -> Vec<u8> {
        let mut all = self.bytes();
        all.pop();
        all
    }
}
