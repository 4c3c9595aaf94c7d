//! From an address in a program or library to the functions and source files it belongs to: with the
//! debug information also those that were inlined there.

use std::{collections::HashMap, fs};

use addr2line::Loader;
use object::{File, Object as _, ObjectSegment as _};

use super::step::{Place, Step};

/// All objects that were asked for, and what was found of their addresses.
#[derive(Default)]
pub(crate) struct Symbols {
    /// `None`: it cannot be read, as what is no file.
    objects: HashMap<String, Option<Object>>,
    found: HashMap<(String, u64), Found>,
}

/// Whose an address is: by what is surely a step's, and by what is one's where nothing else is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) sure: Option<Step>,
    pub(crate) otherwise: Option<Step>,
}

impl Symbols {
    /// Whose the instruction at `address` is: the innermost of its functions that is a step's decides.
    /// `function` is its name, if it is known otherwise.
    pub(crate) fn find(&mut self, object: &str, address: u64, function: Option<&str>) -> Found {
        let key = (object.to_owned(), address);
        if let Some(found) = self.found.get(&key) {
            return *found;
        }
        let loaded = self.object(object);
        let places = loaded.map_or_else(Vec::new, |object| places(&object.loader, address));
        let known = function.map(|name| Place::new("", name));
        let places = places.iter().chain(&known);
        let mut found = Found::default();
        for place in places {
            found.sure = found.sure.or_else(|| place.step());
            found.otherwise = found.otherwise.or_else(|| place.step_else());
        }
        self.found.insert(key, found);
        found
    }

    /// The address in an object of what lies at an offset of its file.
    pub(crate) fn address(&mut self, object: &str, offset: u64) -> Option<u64> {
        let segments = &self.object(object)?.segments;
        segments.iter().find_map(|segment| {
            let within = offset.checked_sub(segment.offset)?;
            (within < segment.len).then_some(segment.address + within)
        })
    }

    fn object(&mut self, name: &str) -> Option<&Object> {
        let loaded = self.objects.entry(name.to_owned());
        loaded.or_insert_with(|| Object::load(name)).as_ref()
    }
}

/// A program or library.
struct Object {
    loader: Loader,
    segments: Vec<Segment>,
}

/// Where a part of a file belongs.
struct Segment {
    offset: u64,
    len: u64,
    address: u64,
}

impl Object {
    /// `None` if it is no file, or none of the kind.
    fn load(name: &str) -> Option<Self> {
        let bytes = fs::read(name).ok()?;
        let file = File::parse(&*bytes).ok()?;
        let segments = file.segments().map(|segment| Segment {
            offset: segment.file_range().0,
            len: segment.file_range().1,
            address: segment.address(),
        });
        let segments = segments.collect();
        let loader = Loader::new(name).ok()?;
        Some(Self { loader, segments })
    }
}

/// The functions at an address, the innermost first.
fn places(loader: &Loader, address: u64) -> Vec<Place> {
    let mut places = Vec::new();
    if let Ok(mut frames) = loader.find_frames(address) {
        while let Ok(Some(frame)) = frames.next() {
            let file = frame.location.and_then(|location| location.file);
            let function = frame.function.as_ref().map(|name| name.demangle());
            let function = function.and_then(Result::ok).unwrap_or_default();
            places.push(Place::new(file.unwrap_or_default(), &function));
        }
    }
    if places.is_empty()
        && let Some(symbol) = loader.find_symbol(address)
    {
        places.push(Place::new("", symbol));
    }
    places
}
