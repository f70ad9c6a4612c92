//! Rules as the examples of RFC 5545 section 3.8.5.3 and calendar programs have them.

use super::super::zone;
use super::*;
use proptest::prelude::*;

/// 2 September 1997, a Tuesday, as in the RFC.
fn start() -> Moment {
    Moment::read("19970902T090000", zone("America/New_York").as_ref()).unwrap()
}

fn moment(_: &str, text: &str) -> Option<Moment> {
    Moment::read(text, zone("America/New_York").as_ref())
}

fn read(rules: &[&str]) -> Option<Series> {
    let mut lines = Lines::default();
    for rule in rules {
        let (name, value) = rule.split_once(':').unwrap();
        assert!(lines.take(name, "", value));
    }
    lines.series(Some(&start()), moment)
}

/// A rule in short: `1 week [2]`, or `odd`.
fn short(rule: &str) -> String {
    match read(&[&format!("RRULE:{rule}")]).unwrap().rule.unwrap() {
        Rule::Odd => "odd".into(),
        Rule::Plain {
            every,
            interval,
            end,
        } => {
            let on = |on: On| match on {
                On::Days(days) => format!("{days:?}"),
                On::Weekday(which, day) => format!("{which}x{day}"),
            };
            let every = match every {
                Every::Day => "day".to_owned(),
                Every::Week(days) => format!("week {days:?}"),
                Every::Month(days) => format!("month {}", on(days)),
                Every::Year(month, days) => format!("year {month} {}", on(days)),
            };
            let end = match end {
                End::Never => String::new(),
                End::Count(count) => format!(" x{count}"),
                End::Until(until) => format!(" until {}", until.date()),
            };
            format!("{interval} {every}{end}")
        }
    }
}

#[test]
fn rules_of_the_rfc_and_of_programs() {
    for (rule, said) in [
        // RFC 5545 section 3.8.5.3, in its order.
        ("FREQ=DAILY;COUNT=10", "1 day x10"),
        (
            "FREQ=DAILY;UNTIL=19971224T000000Z",
            "1 day until 1997-12-23",
        ),
        ("FREQ=DAILY;INTERVAL=2", "2 day"),
        ("FREQ=DAILY;INTERVAL=10;COUNT=5", "10 day x5"),
        (
            "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
            "odd",
        ),
        ("FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", "odd"),
        ("FREQ=WEEKLY;COUNT=10", "1 week [2] x10"),
        ("FREQ=WEEKLY;INTERVAL=2;WKST=SU", "2 week [2]"),
        (
            "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
            "1 week [2, 4] until 1997-10-06",
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
            "2 week [1, 3, 5] until 1997-12-23",
        ),
        ("FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "1 month 1x5 x10"),
        ("FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", "odd"),
        ("FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "odd"),
        ("FREQ=MONTHLY;BYMONTHDAY=-3", "odd"),
        (
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
            "1 month [2, 15] x10",
        ),
        (
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
            "1 month [1, -1] x10",
        ),
        ("FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "odd"),
        ("FREQ=MONTHLY;BYDAY=TU", "1 week [2]"),
        ("FREQ=YEARLY;COUNT=10;BYMONTH=6,7", "odd"),
        ("FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", "odd"),
        ("FREQ=YEARLY;BYDAY=20MO", "odd"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "odd"),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "odd"),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "odd"),
        ("FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "odd"),
        (
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            "odd",
        ),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "odd"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "odd"),
        ("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", "odd"),
        ("FREQ=MINUTELY;INTERVAL=15;COUNT=6", "odd"),
        (
            "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
            "odd",
        ),
        // What programs write.
        (
            "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;WKST=MO",
            "1 week [1, 2, 3, 4, 5]",
        ),
        ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "1 week [1, 2, 3, 4, 5]"),
        ("FREQ=DAILY;INTERVAL=2;BYDAY=MO,TU", "odd"),
        ("FREQ=WEEKLY;BYDAY=SU,MO,TU,WE,TH,FR,SA", "1 day"),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO,TU,WE,TH,FR,SA",
            "2 week [1, 2, 3, 4, 5, 6, 7]",
        ),
        ("FREQ=MONTHLY", "1 month [2]"),
        ("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=2;INTERVAL=1", "1 month 2x2"),
        ("FREQ=MONTHLY;BYDAY=+2TU", "1 month 2x2"),
        (
            "FREQ=MONTHLY;BYDAY=SU,MO,TU,WE,TH,FR,SA;BYSETPOS=-1",
            "1 month [-1]",
        ),
        ("FREQ=YEARLY", "1 year 9 [2]"),
        ("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=1", "1 year 3 [1]"),
        ("FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "1 year 10 -1x7"),
        (
            "FREQ=YEARLY;BYDAY=SU;BYMONTH=10;BYSETPOS=-1",
            "1 year 10 -1x7",
        ),
        ("FREQ=YEARLY;BYMONTHDAY=1", "odd"),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0", "1 day"),
        ("FREQ=WEEKLY;UNTIL=19971007", "1 week [2] until 1997-10-07"),
        ("RSCALE=GREGORIAN;FREQ=YEARLY", "1 year 9 [2]"),
        ("RSCALE=CHINESE;FREQ=YEARLY", "odd"),
        ("freq=weekly;byday=fr", "1 week [5]"),
        // What nobody may write.
        ("", "odd"),
        ("FREQ=WEEKLY;COUNT=5;UNTIL=19971007", "odd"),
        ("FREQ=WEEKLY;INTERVAL=0", "odd"),
        ("FREQ=WEEKLY;COUNT=99999999999", "odd"),
        ("FREQ=WEEKLY;BYDAY=", "odd"),
        ("FREQ=WEEKLY;BYDAY=XX,é", "odd"),
        ("FREQ=WEEKLY;BYDAY=1MO", "odd"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "odd"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "odd"),
        ("FREQ=WEEKLY;UNTIL=soon", "odd"),
        ("FREQ=WEEKLY;X-WHAT=1", "odd"),
    ] {
        assert_eq!(short(rule), said, "{rule}");
    }
}

#[test]
fn dates_stand_in_order_once_and_are_counted() {
    let days = |dates: &Dates| -> Vec<i8> { dates.first.iter().map(|m| m.date().day()).collect() };
    let series = read(&[
        "RRULE:FREQ=DAILY",
        "EXDATE:19970905T090000,19970903T090000",
        "EXDATE:19970903T130000Z,nonsense",
        "RDATE:19970902T090000,19971001T090000/PT1H",
    ])
    .unwrap();
    assert_eq!(
        days(&series.without),
        [3, 5],
        "09:00 in New York is 13:00 in UTC"
    );
    assert_eq!(days(&series.also), [1], "the start is no date besides");
    let many: Vec<String> = (1..=28)
        .map(|day| format!("199802{day:02}T090000"))
        .collect();
    let series = read(&["RRULE:FREQ=DAILY", &format!("EXDATE:{}", many.join(","))]).unwrap();
    assert_eq!(
        (series.without.first.len(), series.without.more),
        (DATES, 18)
    );
    let flood = format!("EXDATE:{}", "19980201T090000,".repeat(20_000));
    let series = read(&["RRULE:FREQ=DAILY", &flood]).unwrap();
    assert_eq!(
        (series.without.first.len(), series.without.more),
        (1, 19_001)
    );
}

#[test]
fn what_repeats_and_what_does_not() {
    assert_eq!(read(&[]), None);
    assert_eq!(
        read(&["EXDATE:19970903T090000"]),
        None,
        "nothing to leave out of"
    );
    assert_eq!(read(&["RDATE:19970902T090000"]), None, "the start alone");
    assert_eq!(read(&["RDATE:19970903T090000"]).unwrap().rule, None);
    let two = read(&["RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"]).unwrap();
    assert_eq!(two.rule, Some(Rule::Odd));
    let except = read(&["RRULE:FREQ=DAILY", "EXRULE:FREQ=WEEKLY"]).unwrap();
    assert_eq!(except.rule, Some(Rule::Odd));
    let mut lines = Lines::default();
    lines.take("RRULE", "", "FREQ=DAILY");
    assert_eq!(lines.series(None, moment).unwrap().rule, Some(Rule::Odd));
    assert!(!lines.take("DTSTART", "", "19970902T090000"));
}

proptest! {
    #[test]
    fn anything_is_read(rule in "\\PC{0,80}", known in "(FREQ|BYDAY|UNTIL|COUNT|BYSETPOS|BYMONTH|BYMONTHDAY|INTERVAL)=[-+A-Z0-9,;=]{0,30}") {
        for rule in [&rule, &known, &format!("FREQ=MONTHLY;{known}")] {
            let series = read(&[&format!("RRULE:{rule}")]);
            prop_assert!(series.is_some());
        }
    }
}
