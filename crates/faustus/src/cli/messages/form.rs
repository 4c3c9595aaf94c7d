//! A message as a line: text for people, or JSON for programs.

use std::fmt::{self, Debug};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
        time::FormatTime,
    },
    registry::LookupSpan,
};

/// How a message is written.
pub(super) enum Form {
    Text {
        /// Without the place in the program: the framework's messages say what they are about.
        plain: Format<Full, Time>,
        /// With it, for all others and for those who look closely.
        placed: Format<Full, Time>,
        terminal: bool,
    },
    Json {
        app: String,
        worker: String,
    },
}

impl Form {
    /// Lines for people, who look at them on a terminal or in a file.
    pub(super) fn text(terminal: bool) -> Self {
        let time = if terminal { Time::OfDay } else { Time::Whole };
        let placed = Format::default().with_timer(time);
        Self::Text {
            plain: placed.clone().with_target(false),
            placed,
            terminal,
        }
    }

    /// Objects that name the worker that they are of.
    pub(super) fn json(app: &str, worker: &str) -> Self {
        Self::Json {
            app: app.to_owned(),
            worker: worker.to_owned(),
        }
    }

    pub(super) fn is_for_a_terminal(&self) -> bool {
        matches!(self, Self::Text { terminal: true, .. })
    }
}

impl<S, N> FormatEvent<S, N> for Form
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self {
            Self::Text { plain, placed, .. } => {
                let metadata = event.metadata();
                let is_ours = metadata.target().starts_with("faustus");
                let form = if is_ours && *metadata.level() <= Level::INFO {
                    plain
                } else {
                    placed
                };
                form.format_event(context, writer, event)
            }
            Self::Json { app, worker } => {
                let line = Line::of(event, app, worker, Timestamp::now());
                let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
                writeln!(writer, "{line}")
            }
        }
    }
}

/// Fields as text: what happened, then `name=value`, with quotes where one would not see its end.
pub(super) fn as_text(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let text = format!("{value:?}");
    if field.name() == "message" {
        // Nothing in it may move the cursor.
        let is_harmless = |c: &char| !c.is_control() || *c == '\n';
        return text.chars().try_for_each(|c| match is_harmless(&c) {
            true => writer.write_char(c),
            false => write!(writer, "{}", c.escape_default()),
        });
    }
    let name = field.name().trim_start_matches("r#");
    if writer.has_ansi_escapes() {
        write!(writer, "\x1b[2m{name}=\x1b[0m")?;
    } else {
        write!(writer, "{name}=")?;
    }
    let is_quoted = text.starts_with('"') && text.ends_with('"') && text.len() > 1;
    let inside = if is_quoted {
        &text[1..text.len() - 1]
    } else {
        &text
    };
    let is_plain =
        |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\\' | '=');
    let is_word = !inside.is_empty() && inside.chars().all(is_plain);
    match (is_word, is_quoted || text.starts_with('[')) {
        (true, _) => writer.write_str(inside),
        (false, true) => writer.write_str(&text),
        (false, false) => write!(writer, "{text:?}"),
    }
}

/// The time in front of a message, in UTC.
#[derive(Clone, Copy)]
pub(super) enum Time {
    /// `12:30:00.123Z`.
    OfDay,
    /// `2026-11-29T12:30:00.123Z`.
    Whole,
}

impl FormatTime for Time {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = Timestamp::now();
        match self {
            Self::OfDay => write!(writer, "{}", now.strftime("%H:%M:%S%.3fZ")),
            Self::Whole => write!(writer, "{now:.3}"),
        }
    }
}

/// A message as JSON.
#[derive(Serialize)]
struct Line {
    time: String,
    level: &'static str,
    target: String,
    message: Value,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl Line {
    fn of(event: &Event<'_>, app: &str, worker: &str, now: Timestamp) -> Self {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let mut fields = fields.0;
        for (name, value) in [("app", app), ("worker", worker)] {
            fields.entry(name).or_insert_with(|| value.into());
        }
        Self {
            time: format!("{now:.6}"),
            level: event.metadata().level().as_str(),
            target: event.metadata().target().to_owned(),
            message: fields.remove("message").unwrap_or_default(),
            fields,
        }
    }
}

/// The fields of a message, and its text under the name `message`.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name().trim_start_matches("r#");
        // A program's own field may have the name of one that each line has.
        let name = match name {
            "time" | "level" | "target" => format!("field.{name}"),
            name => name.to_owned(),
        };
        self.0.insert(name, value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::{
        field::MakeExt,
        fmt::{MakeWriter, format::debug_fn},
        layer::SubscriberExt,
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for &Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = &'a Self;

        fn make_writer(&'a self) -> Self::Writer {
            self
        }
    }

    /// What `say` says, written in this form, with its digits as `0`.
    fn written(form: Form, say: impl FnOnce()) -> String {
        let written = Written::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .fmt_fields(debug_fn(as_text).delimited(" "))
            .event_format(form)
            .with_writer(written.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        text.replace(|c: char| c.is_ascii_digit(), "0")
    }

    fn say() {
        tracing::info!(
            agent = "count",
            records = 7,
            ok = true,
            "all \"is\" well\nhere"
        );
        tracing::warn!(target: "shop::web", rate = 0.5, error = %"no\u{1b}[31m room", "half full");
        tracing::debug!(target: "faustus::lane", jobs = ?["a", "b"], log = "", "looked");
    }

    #[test]
    fn text_is_time_level_message_and_fields() {
        insta::assert_snapshot!(written(Form::text(false), say));
    }

    #[test]
    fn text_on_a_terminal_has_a_short_time() {
        let text = written(Form::text(true), || tracing::info!(tasks = 3, "assigned"));
        assert_eq!(text, "00:00:00.000Z  INFO assigned tasks=0\n");
    }

    #[test]
    fn json_is_an_object_a_line_with_fields_at_its_top() {
        let text = written(Form::json("shop", "w"), say);
        let lines = text.lines().map(serde_json::from_str::<Value>);
        assert!(lines.into_iter().all(|line| line.is_ok()), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_field_does_not_take_the_place_of_what_each_line_has() {
        let said = || tracing::info!(time = 1, level = 2, worker = "other", r#type = "x", "hm");
        let text = written(Form::json("shop", "w"), said);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["time"], "0000-00-00T00:00:00.000000Z");
        assert_eq!(line["field.level"], 0);
        assert_eq!(line["worker"], "other");
        assert_eq!(line["type"], "x");
    }
}
