//! Zephyr notices, as MIT's libzephyr puts them into UDP packets.
//!
//! There is no RFC; the rule is libzephyr 3.1 (`lib/Zinternal.c`, `lib/ZParseNot.c`) and what it
//! was seen to send. A packet is a header of fields that each end in NUL, then the body as it is.
//! The second field counts the header's fields. Numbers are text: `0x` and eight (port and
//! charset: four) hexadecimal digits; a unique id is three such words (address, seconds,
//! microseconds); the sender's address is in *zcode*: `Z` and the bytes, 00 as `FF F0` and FF as `FF F1`.
//!
//! What can go wrong: the header must fit into 832 bytes and a packet into 1,024. A long body goes
//! out in fragments, each with a whole header whose `offset/total` field says where it belongs and
//! whose multi-uid, the first fragment's uid, says to which notice. No client takes more than 400,000 bytes.
//! Nothing here authenticates: whoever can send to the host manager can claim any sender.

use std::fmt;
use std::net::Ipv4Addr;

const VERSION: &[u8] = b"ZEPH0.2";
const FIELDS: u32 = 19;
/// Header fields without which a packet cannot be placed: all up to the multi-uid.
const FIELDS_NEEDED: u32 = 17;
/// Longest packet, header and body together, in bytes (`Z_MAXPKTLEN`).
pub const MAX_PACKET: usize = 1024;
/// Longest header, in bytes (`Z_MAXHEADERLEN`).
pub const MAX_HEADER: usize = 832;
/// Longest body that a client reassembles, in bytes (`Z_MAXNOTICESIZE`).
pub const MAX_BODY: usize = 400_000;
/// What libzephyr keeps free in each packet for the `offset/total` field (`Z_FRAGFUDGE`).
const PART_ROOM: usize = 13;

/// What a packet is for (`ZNotice_Kind_t`); the number on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kind(pub u32);

impl Kind {
    /// A notice that nobody acknowledges to its sender.
    pub const UNSAFE: Kind = Kind(0);
    /// The host manager's acknowledgement or answer.
    pub const HMACK: Kind = Kind(3);
    /// A question to the host manager about itself.
    pub const STAT: Kind = Kind(8);
}

/// Unique id of a packet: where and when it was made. Receivers drop a packet whose id they have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Uid {
    /// The sending host.
    pub address: Ipv4Addr,
    /// Seconds since 1970.
    pub seconds: u32,
    /// Microseconds within the second.
    pub micros: u32,
}

/// A notice: who shall be told what. All strings are bytes without NUL, except the body, whose
/// fields each end in NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// What it is for.
    pub kind: Kind,
    /// Class; with instance and recipient, what a client subscribes to.
    pub class: Vec<u8>,
    /// Instance of the class.
    pub instance: Vec<u8>,
    /// Operation code, empty for a plain message.
    pub opcode: Vec<u8>,
    /// `name@REALM`.
    pub sender: Vec<u8>,
    /// `name@REALM`, or empty for everybody.
    pub recipient: Vec<u8>,
    /// How to show it; `$1`, `$2` stand for the body's fields.
    pub default_format: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

/// Where the bytes of a packet belong in the whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Offset of the first byte.
    pub offset: usize,
    /// Length of the whole body in bytes.
    pub total: usize,
}

/// One packet, without what an unauthenticated one leaves zero (authenticator, checksum, charset).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The notice; its body is this packet's part of it.
    pub notice: Notice,
    /// This packet's id.
    pub uid: Uid,
    /// The id of the notice's first packet (`z_multiuid`).
    pub multi_uid: Uid,
    /// Which part it holds; absent in acknowledgements.
    pub part: Option<Part>,
    /// UDP port of the sender.
    pub port: u16,
    /// Address of the sender.
    pub source: Ipv4Addr,
}

/// Why a notice cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// The header would have that many bytes.
    Header(usize),
    /// The body has that many bytes.
    Body(usize),
    /// A header field holds a NUL and would push others out of their places.
    Nul,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsendable::Header(len) => write!(
                f,
                "class, instance and recipient are too long: the Zephyr header would have {len} bytes, at most {MAX_HEADER} are possible"
            ),
            Unsendable::Body(len) => {
                write!(
                    f,
                    "the text is too long: {len} bytes, Zephyr clients take at most {MAX_BODY}"
                )
            }
            Unsendable::Nul => write!(f, "a NUL in class, instance or recipient"),
        }
    }
}

/// What the host manager tells about itself when asked ([`question`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Name or address of the Zephyr server that it uses.
    pub server: Vec<u8>,
    /// False while it looks for a server that answers.
    pub connected: bool,
}

impl Status {
    /// Reads the body of its answer. `None` when that is something else.
    pub fn decode(body: &[u8]) -> Option<Status> {
        let mut fields = body.split(|&byte| byte == 0);
        let server = fields.next()?.to_vec();
        let without_server = fields.nth(5)?;
        Some(Status {
            server,
            connected: without_server != b"yes",
        })
    }
}

/// The question to the host manager that [`Status`] answers (`ZhmStat`).
pub fn question() -> Notice {
    Notice {
        kind: Kind::STAT,
        class: b"HM_STAT".to_vec(),
        instance: b"HMST_CLIENT".to_vec(),
        opcode: b"GIMMESTATS".to_vec(),
        ..Notice::default()
    }
}

impl Notice {
    /// The packets that carry it, in sending order; more than one when the body is long, one when it is empty.
    ///
    /// `port` is the UDP port they will leave from, `next_uid` gives each an id of its own; its
    /// address is the one that goes into the packet.
    ///
    /// # Errors
    /// When header or body exceed Zephyr's limits. Nothing is to be sent then.
    pub fn packets(
        &self,
        port: u16,
        mut next_uid: impl FnMut() -> Uid,
    ) -> Result<Vec<Vec<u8>>, Unsendable> {
        let total = self.body.len();
        if total > MAX_BODY {
            return Err(Unsendable::Body(total));
        }
        let first = next_uid();
        let mut packet = Packet {
            notice: Notice {
                body: Vec::new(),
                ..self.clone()
            },
            uid: first,
            multi_uid: first,
            part: None,
            port,
            source: first.address,
        };
        // The size of a fragment is that of a packet less a header without its part, so that receivers see libzephyr's offsets.
        let room = MAX_PACKET - PART_ROOM - packet.encode()?.len();
        let mut encoded = Vec::with_capacity(total / room + 1);
        for offset in (0..total.max(1)).step_by(room) {
            if offset > 0 {
                packet.uid = next_uid();
            }
            packet.part = Some(Part { offset, total });
            packet.notice.body = self.body[offset..total.min(offset + room)].to_vec();
            encoded.push(packet.encode()?);
        }
        Ok(encoded)
    }

    fn strings(&self) -> [&Vec<u8>; 6] {
        [
            &self.class,
            &self.instance,
            &self.opcode,
            &self.sender,
            &self.recipient,
            &self.default_format,
        ]
    }
}

impl Packet {
    /// The packet's bytes.
    ///
    /// # Errors
    /// When the header exceeds [`MAX_HEADER`] or a field of it holds a NUL.
    pub fn encode(&self) -> Result<Vec<u8>, Unsendable> {
        if self.notice.strings().iter().any(|field| field.contains(&0)) {
            return Err(Unsendable::Nul);
        }
        let mut out = Vec::with_capacity(MAX_PACKET);
        let mut field = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            out.push(0);
        };
        field(VERSION);
        field(word(FIELDS).as_bytes());
        field(word(self.notice.kind.0).as_bytes());
        field(self.uid.text().as_bytes());
        field(format!("0x{:04X}", self.port).as_bytes());
        field(word(0).as_bytes()); // not authenticated,
        field(word(0).as_bytes()); // so the authenticator has no length
        field(b""); // and no bytes
        for string in self.notice.strings() {
            field(string);
        }
        field(word(0).as_bytes()); // checksum: only authenticated notices have one
        let part = self.part.map_or(String::new(), |part| {
            format!("{}/{}", part.offset, part.total)
        });
        field(part.as_bytes());
        field(self.multi_uid.text().as_bytes());
        field(&zcode(&self.source.octets()));
        field(b"0x0000"); // charset unknown: Cyrus promises none
        if out.len() > MAX_HEADER {
            return Err(Unsendable::Header(out.len()));
        }
        out.extend_from_slice(&self.notice.body);
        Ok(out)
    }

    /// Reads a packet, authenticated or not. `None` when it is not a Zephyr packet, or one that says too little to be placed.
    pub fn decode(bytes: &[u8]) -> Option<Packet> {
        let mut fields = Fields { rest: bytes };
        let minor = fields.next()?.strip_prefix(b"ZEPH0.")?;
        let count = number(fields.next()?)?;
        if minor.is_empty() || count < FIELDS_NEEDED {
            return None;
        }
        let kind = Kind(number(fields.next()?)?);
        let uid = Uid::read(fields.next()?)?;
        let port = u16::try_from(number(fields.next()?)?).ok()?;
        fields.skip(3)?; // auth, length and bytes of the authenticator
        let mut string = || fields.next().map(<[u8]>::to_vec);
        let (class, instance, opcode) = (string()?, string()?, string()?);
        let (sender, recipient, default_format) = (string()?, string()?, string()?);
        fields.skip(1)?; // checksum
        let part = match fields.next()? {
            b"" => None,
            text => Some(Part::read(text)?),
        };
        let multi_uid = Uid::read(fields.next()?)?;
        let source = if count > FIELDS_NEEDED {
            address(fields.next()?)?
        } else {
            uid.address
        };
        fields.skip(count.saturating_sub(FIELDS_NEEDED + 1))?;
        let body = fields.rest.to_vec();
        let notice = Notice {
            kind,
            class,
            instance,
            opcode,
            sender,
            recipient,
            default_format,
            body,
        };
        Some(Packet {
            notice,
            uid,
            multi_uid,
            part,
            port,
            source,
        })
    }
}

impl Uid {
    fn text(self) -> String {
        format!(
            "{} {} {}",
            word(self.address.to_bits()),
            word(self.seconds),
            word(self.micros)
        )
    }

    fn read(text: &[u8]) -> Option<Uid> {
        let mut words = text.split(|&byte| byte == b' ').map(number);
        let uid = Uid {
            address: Ipv4Addr::from_bits(words.next()??),
            seconds: words.next()??,
            micros: words.next()??,
        };
        words.next().is_none().then_some(uid)
    }
}

impl Part {
    fn read(text: &[u8]) -> Option<Part> {
        let (offset, total) = std::str::from_utf8(text).ok()?.split_once('/')?;
        Some(Part {
            offset: offset.parse().ok()?,
            total: total.parse().ok()?,
        })
    }
}

/// The header's fields, one after the other; what is left after the last is the body.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|&byte| byte == 0)?;
        let field = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(field)
    }

    /// Skips `count` fields; stops at the first that is missing, so a huge count costs nothing.
    fn skip(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.next().map(|_| ()))
    }
}

fn word(value: u32) -> String {
    format!("0x{value:08X}")
}

fn number(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"0x")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None; // from_str_radix would take a sign
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn zcode(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![b'Z'];
    for &byte in bytes {
        match byte {
            0x00 => out.extend([0xff, 0xf0]),
            0xff => out.extend([0xff, 0xf1]),
            _ => out.push(byte),
        }
    }
    out
}

/// An address: zcode, or the older `0x` and eight digits.
fn address(text: &[u8]) -> Option<Ipv4Addr> {
    let Some(coded) = text.strip_prefix(b"Z") else {
        return number(text).map(Ipv4Addr::from_bits);
    };
    let mut octets = Vec::with_capacity(4);
    let mut coded = coded.iter();
    while let Some(&byte) = coded.next() {
        octets.push(match byte {
            0xff => match coded.next()? {
                0xf0 => 0x00,
                0xf1 => 0xff,
                _ => return None,
            },
            _ => byte,
        });
    }
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests;
