//! Where in a file its keys and values stand.

use std::collections::BTreeMap;
use std::ops::Range;

/// Places of one key: of its name, and of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes of the key's name; for an element of a list, those of the element.
    pub(super) key: Range<usize>,
    /// Bytes of the value.
    pub(super) value: Range<usize>,
}

/// Places of every key of a file by path: `["tiers", "unit", "services", "0"]`.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<Vec<String>, Place>);

impl Places {
    /// Records a key.
    pub(super) fn insert(&mut self, path: &[String], key: Range<usize>, value: Range<usize>) {
        self.0.insert(path.to_vec(), Place { key, value });
    }

    /// The place of the key, or of the nearest table around it that is written down.
    pub(super) fn key(&self, path: &[&str]) -> Range<usize> {
        self.find(path).map_or(0..0, |place| place.key.clone())
    }

    /// The place of the value, or of the nearest table around it that is written down.
    pub(super) fn value(&self, path: &[&str]) -> Range<usize> {
        match self.0.get(&owned(path)) {
            Some(place) => place.value.clone(),
            None => self.key(path),
        }
    }

    /// The keys of a table as they are written down, faulty ones too, in the order of the file.
    pub(super) fn keys(&self, table: &[&str]) -> Vec<&str> {
        let table = owned(table);
        let mut keys: Vec<(usize, &str)> = self
            .0
            .iter()
            .filter_map(|(path, place)| Some((place, path.strip_prefix(table.as_slice())?)))
            .filter(|(_, rest)| rest.len() == 1)
            .map(|(place, rest)| (place.key.start, rest[0].as_str()))
            .collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, key)| key).collect()
    }

    fn find(&self, path: &[&str]) -> Option<&Place> {
        (1..=path.len()).rev().find_map(|length| self.0.get(&owned(&path[..length])))
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_is_not_written_down_has_the_place_of_the_table_around_it() {
        let mut places = Places::default();
        places.insert(&owned(&["tiers", "unit"]), 10..14, 20..90);
        places.insert(&owned(&["tiers", "e2e"]), 5..8, 8..9);
        places.insert(&owned(&["tiers", "unit", "filter"]), 20..26, 30..40);
        assert_eq!(places.key(&["tiers", "unit", "filter"]), 20..26);
        assert_eq!(places.value(&["tiers", "unit", "filter"]), 30..40);
        assert_eq!(places.value(&["tiers", "unit", "budget"]), 10..14);
        assert_eq!(places.key(&["stages"]), 0..0);
        assert_eq!(places.keys(&["tiers"]), ["e2e", "unit"]);
    }
}
