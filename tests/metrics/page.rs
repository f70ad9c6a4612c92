//! A scrape, read: OpenMetrics text as far as our daemon writes it, and strict about it.

use std::collections::{BTreeMap, BTreeSet};

/// The samples by name and labels, and the families by name.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    samples: BTreeMap<String, f64>,
    /// Name and type of each family.
    pub(crate) families: BTreeMap<String, String>,
}

impl Page {
    pub(crate) fn read(text: &str) -> Page {
        let mut page = Page {
            samples: BTreeMap::new(),
            families: BTreeMap::new(),
        };
        let (body, end) = text.split_at(text.len() - "# EOF\n".len());
        assert_eq!(end, "# EOF\n");
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# ") {
                let words: Vec<&str> = rest.splitn(3, ' ').collect();
                assert!(words.len() == 3 && !words[2].is_empty(), "{line}");
                if words[0] == "TYPE" {
                    let old = page.families.insert(words[1].into(), words[2].into());
                    assert_eq!(old, None, "{line}: twice");
                }
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert_eq!(
                page.samples.insert(name.into(), value),
                None,
                "{line}: twice"
            );
        }
        page
    }

    /// The value of `name{label="value",…}`, the labels in any order.
    pub(crate) fn value(&self, sample: &str) -> Option<f64> {
        let wanted = parts(sample);
        let found = self.samples.iter().find(|(name, _)| parts(name) == wanted);
        found.map(|(_, value)| *value)
    }

    /// Names of samples.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.samples.keys().map(|name| parts(name).0).collect()
    }

    /// The values that a label of samples of this name has.
    pub(crate) fn labels(&self, name: &str, label: &str) -> BTreeSet<String> {
        self.samples
            .keys()
            .map(|sample| parts(sample))
            .filter(|(one, _)| one == name)
            .filter_map(|(_, mut labels)| labels.remove(label))
            .collect()
    }
}

/// Name and labels of a sample.
fn parts(sample: &str) -> (String, BTreeMap<String, String>) {
    let Some((name, rest)) = sample.split_once('{') else {
        return (sample.into(), BTreeMap::new());
    };
    let labels = rest.strip_suffix('}').unwrap().split(',').map(|label| {
        let (name, value) = label.split_once('=').unwrap();
        (name.to_owned(), value.trim_matches('"').to_owned())
    });
    (name.into(), labels.collect())
}
