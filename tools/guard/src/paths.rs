//! The hot paths.

mod agents;
mod bytes;
mod disk;
mod recovery;
mod rounds;

use anyhow::Result;

/// Something that is done for each event.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// What it does, for people.
    pub(crate) about: &'static str,
    /// Does it in this process, with marks where counting begins and ends; gives the number of events
    /// between them.
    pub(crate) run: fn() -> Result<u64>,
}

/// All of them.
pub(crate) const PATHS: &[Path] = &[
    Path {
        name: "agent",
        about: "an agent decodes events from the log in memory",
        run: agents::agent,
    },
    Path {
        name: "total",
        about: "totals by account in a table, 8 events for each change in the changelog",
        run: agents::total,
    },
    Path {
        name: "total-eos",
        about: "total, exactly once",
        run: agents::total_eos,
    },
    Path {
        name: "changelog",
        about: "total, where each event is a change in the changelog",
        run: agents::changelog,
    },
    Path {
        name: "reply",
        about: "total, and each event is replied to a sink",
        run: agents::reply,
    },
    Path {
        name: "rekey",
        about: "total of events without keys, through group_by",
        run: agents::rekey,
    },
    Path {
        name: "persistent",
        about: "changelog, with the table on disk too",
        run: disk::persistent,
    },
    Path {
        name: "recover",
        about: "a record of a changelog becomes an entry of its table at a start",
        run: recovery::recover,
    },
    Path {
        name: "append",
        about: "records in batches of 500 into the log in a directory",
        run: disk::append,
    },
    Path {
        name: "encode",
        about: "an event becomes JSON",
        run: bytes::encode,
    },
    Path {
        name: "decode",
        about: "JSON becomes an event",
        run: bytes::decode,
    },
    Path {
        name: "batch-build",
        about: "records become batches of 500",
        run: bytes::build,
    },
    Path {
        name: "batch-read",
        about: "the keys and values of a batch are looked at",
        run: bytes::read,
    },
    Path {
        name: "partition",
        about: "a key gets its partition",
        run: bytes::partition,
    },
];

/// The path of this name.
pub(crate) fn find(name: &str) -> Option<&'static Path> {
    PATHS.iter().find(|path| path.name == name)
}
