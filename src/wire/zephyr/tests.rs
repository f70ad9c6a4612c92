//! libzephyr's own packets (captured from Cyrus' stock notifyd), then the laws.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

/// The captured packets, in the order they went by.
fn captured() -> Vec<Vec<u8>> {
    include_str!("../../../tests/fixtures/zephyr.jsonl")
        .lines()
        .map(|line| {
            let packet: serde_json::Value = serde_json::from_str(line).unwrap();
            packet["raw"]
                .as_str()
                .unwrap()
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect()
        })
        .collect()
}

fn show(packet: &[u8]) -> String {
    packet.escape_ascii().to_string()
}

#[test]
fn captured_packets_come_back_byte_for_byte() {
    for bytes in captured() {
        let packet = Packet::decode(&bytes).unwrap_or_else(|| panic!("{}", show(&bytes)));
        if packet.notice.kind == Kind::HMACK && packet.notice.class == b"LOGIN" {
            continue; // the acknowledgement of an authenticated notice: its flag is not kept
        }
        assert_eq!(show(&packet.encode().unwrap()), show(&bytes));
    }
}

#[test]
fn notices_are_cut_as_libzephyr_cuts_them() {
    let packets: Vec<Packet> = captured()
        .iter()
        .map(|bytes| Packet::decode(bytes).unwrap())
        .collect();
    let (mut notices, mut fragmented) = (0, 0);
    for first in packets
        .iter()
        .filter(|packet| packet.part.is_some_and(|part| part.offset == 0))
    {
        if first.notice.kind == Kind::HMACK {
            continue;
        }
        let parts: Vec<&Packet> = packets
            .iter()
            .filter(|packet| {
                packet.multi_uid == first.uid && packet.notice.kind == first.notice.kind
            })
            .collect();
        let total = first.part.unwrap().total;
        let mut notice = first.notice.clone();
        notice.body = parts
            .iter()
            .flat_map(|packet| packet.notice.body.clone())
            .collect();
        // The capture ended before the last notice's second fragment.
        let missing = total - notice.body.len();
        notice.body.extend(std::iter::repeat_n(b'x', missing));
        let mut uids = parts
            .iter()
            .map(|packet| packet.uid)
            .chain(std::iter::repeat(first.uid));
        let made = notice.packets(first.port, || uids.next().unwrap()).unwrap();
        assert_eq!(made.len(), parts.len() + usize::from(missing > 0));
        for (ours, theirs) in made.iter().zip(&parts) {
            assert_eq!(show(ours), show(&theirs.encode().unwrap()));
        }
        notices += 1;
        fragmented += usize::from(made.len() > 1);
    }
    assert_eq!((notices, fragmented), (16, 2));
}

#[test]
fn the_question_is_libzephyrs_and_its_answer_is_understood() {
    let captured = captured();
    let asked = Packet::decode(&captured[0]).unwrap();
    assert_eq!(
        question().packets(asked.port, || asked.uid).unwrap(),
        [captured[0].clone()]
    );
    let answer = Packet::decode(&captured[1]).unwrap();
    assert_eq!((answer.notice.kind, answer.uid), (Kind::HMACK, asked.uid));
    let status = Status {
        server: b"10.99.0.1".to_vec(),
        connected: true,
    };
    assert_eq!(Status::decode(&answer.notice.body), Some(status));
    assert!(
        !Status::decode(b"z.example\x000\x000\x000\x000\x003.1\0yes\x001\0")
            .unwrap()
            .connected
    );
    assert_eq!(Status::decode(b"z.example\x000\0"), None);
}

fn uid() -> Uid {
    Uid {
        address: Ipv4Addr::new(10, 0, 255, 1),
        seconds: 1_795_370_728,
        micros: 7,
    }
}

#[test]
fn limits_are_errors_not_cut_strings() {
    let notice = |class: usize, body: usize| Notice {
        class: vec![b'c'; class],
        body: vec![b'b'; body],
        ..Notice::default()
    };
    assert!(matches!(
        notice(900, 1).packets(1, uid),
        Err(Unsendable::Header(_))
    ));
    assert_eq!(
        notice(1, MAX_BODY + 1).packets(1, uid),
        Err(Unsendable::Body(MAX_BODY + 1))
    );
    assert!(
        notice(1, MAX_BODY)
            .packets(1, uid)
            .unwrap()
            .iter()
            .all(|packet| packet.len() <= MAX_PACKET)
    );
    let nul = Notice {
        recipient: b"a\0b".to_vec(),
        ..Notice::default()
    };
    assert_eq!(nul.packets(1, uid), Err(Unsendable::Nul));
    let header = notice(0, 0).packets(1, uid).unwrap()[0].len();
    assert_eq!(
        notice(MAX_HEADER - header, 0).packets(1, uid).unwrap()[0].len(),
        MAX_HEADER
    );
    assert_eq!(
        notice(MAX_HEADER - header + 1, 0).packets(1, uid),
        Err(Unsendable::Header(MAX_HEADER + 1))
    );
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1u8..=255, 0..60)
}

prop_compose! {
    fn any_uid()(address: [u8; 4], seconds: u32, micros: u32) -> Uid {
        Uid { address: address.into(), seconds, micros }
    }
}

prop_compose! {
    fn any_notice()(kind: u32, strings in prop::array::uniform6(text()), body in prop::collection::vec(any::<u8>(), 0..5000)) -> Notice {
        let [class, instance, opcode, sender, recipient, default_format] = strings;
        Notice { kind: Kind(kind), class, instance, opcode, sender, recipient, default_format, body }
    }
}

proptest! {
    #[test]
    fn a_packet_comes_back(notice in any_notice(), uid in any_uid(), multi_uid in any_uid(), part: Option<(u32, u32)>, port: u16, source: [u8; 4]) {
        let part = part.map(|(offset, total)| Part { offset: offset as usize, total: total as usize });
        let packet = Packet { notice, uid, multi_uid, part, port, source: source.into() };
        prop_assert_eq!(Packet::decode(&packet.encode().unwrap()), Some(packet));
    }

    #[test]
    fn fragments_make_the_whole_again(notice in any_notice(), start in any_uid(), port: u16) {
        let mut serial = 0;
        let packets = notice.packets(port, || { serial += 1; Uid { micros: serial, ..start } }).unwrap();
        let mut whole: Vec<u8> = Vec::new();
        for (index, bytes) in packets.iter().enumerate() {
            prop_assert!(bytes.len() <= MAX_PACKET);
            let packet = Packet::decode(bytes).unwrap();
            prop_assert_eq!(packet.multi_uid, Uid { micros: 1, ..start });
            prop_assert_eq!(packet.uid.micros as usize, index + 1);
            prop_assert_eq!(packet.part, Some(Part { offset: whole.len(), total: notice.body.len() }));
            whole.extend(&packet.notice.body);
            prop_assert_eq!(Notice { body: Vec::new(), ..packet.notice }, Notice { body: Vec::new(), ..notice.clone() });
        }
        prop_assert_eq!(whole, notice.body);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Packet::decode(&bytes);
        let _ = Status::decode(&bytes);
    }

    #[test]
    fn a_spoiled_packet_is_read_or_refused(which: prop::sample::Index, at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let captured = captured();
        let mut packet = which.get(&captured).clone();
        let at = at.index(packet.len());
        packet[at] = byte;
        packet.truncate(cut.index(packet.len() + 1));
        let _ = Packet::decode(&packet);
    }
}
