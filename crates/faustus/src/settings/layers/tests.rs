//! What the layers give, and all that can be wrong in them.

use std::{ffi::OsString, fs};

use super::*;
use crate::Guarantee;

/// What is said of settings, layer by layer.
struct Said {
    app: App,
    file: Option<String>,
    surroundings: Surroundings,
    options: Options,
}

impl Said {
    fn nothing() -> Self {
        Self {
            app: App::new("bank"),
            file: None,
            surroundings: Surroundings::default(),
            options: Options::default(),
        }
    }

    fn in_file(mut self, text: &str) -> Self {
        self.file = Some(text.to_owned());
        self
    }

    fn in_code(mut self, configure: impl Fn(&mut Settings) + Send + Sync + 'static) -> Self {
        self.app = self.app.configure(configure);
        self
    }

    fn by_variable(mut self, name: &str, value: &str) -> Self {
        let variable = (OsString::from(name), OsString::from(value));
        self.surroundings.environment.push(variable);
        self
    }

    fn by_option(mut self, name: &str, value: &str) -> Self {
        let index = position(name).unwrap();
        let value = value.to_owned().into();
        self.options.given.push((index, value));
        self
    }

    fn read(mut self) -> Result<Resolved> {
        let directory = tempfile::tempdir().unwrap();
        if let Some(text) = &self.file {
            fs::write(directory.path().join("faustus.toml"), text).unwrap();
        }
        directory
            .path()
            .clone_into(&mut self.surroundings.directory);
        Origins::within(&self.app, &self.options, self.surroundings).read()
    }

    fn resolved(self) -> Resolved {
        self.read().unwrap()
    }

    fn mistakes(self) -> String {
        self.read().unwrap_err().to_string()
    }
}

fn threads(resolved: &Resolved) -> (usize, String) {
    let setting = &CATALOGUE[position("threads").unwrap()];
    let source = resolved.source("threads").place(setting);
    (resolved.settings.threads, source)
}

#[test]
fn each_layer_holds_over_the_ones_before() {
    let said = Said::nothing;
    let file = || said().in_file("\nthreads = 2");
    let code = || file().in_code(|settings| settings.threads = 3);
    let environment = || code().by_variable("FAUSTUS_THREADS", "4");
    let option = environment().by_option("threads", "5");
    assert_eq!(threads(&said().resolved()).1, "default");
    assert_eq!(
        threads(&file().resolved()),
        (2, "faustus.toml, line 2".to_owned())
    );
    assert_eq!(threads(&code().resolved()), (3, "code".to_owned()));
    assert_eq!(
        threads(&environment().resolved()),
        (4, "FAUSTUS_THREADS".to_owned())
    );
    assert_eq!(threads(&option.resolved()), (5, "--threads".to_owned()));
}

#[test]
fn code_sees_the_file_and_leaves_the_rest_as_it_is() {
    let said = Said::nothing()
        .in_file("threads = 2\ntopic-partitions = 3")
        .in_code(|settings| settings.threads *= 2)
        .in_code(|settings| settings.guarantee = Guarantee::ExactlyOnce);
    let resolved = said.resolved();
    assert_eq!(threads(&resolved), (4, "code".to_owned()));
    assert_eq!(resolved.settings.topic_partitions, 3);
    assert_eq!(resolved.settings.guarantee, Guarantee::ExactlyOnce);
}

#[test]
fn a_table_of_the_application_holds_over_the_top_and_others_do_not_count() {
    let text = "\
threads = 2
topic-partitions = 3
[shop]
threads = 4
whatever = 1
[bank]
threads = 5
";
    let resolved = Said::nothing().in_file(text).resolved();
    assert_eq!(threads(&resolved), (5, "faustus.toml, line 7".to_owned()));
    assert_eq!(resolved.settings.topic_partitions, 3);
}

#[test]
fn the_log_is_a_directory_of_the_applications_name_unless_somebody_says() {
    assert_eq!(Said::nothing().resolved().log().expose(), "bank-data");
    let said = Said::nothing().by_variable("FAUSTUS_LOG", "memory://");
    assert_eq!(said.resolved().log().expose(), "memory://");
}

#[test]
fn variables_that_are_empty_or_of_others_say_nothing() {
    let said = Said::nothing()
        .by_variable("FAUSTUS_THREADS", "")
        .by_variable("FAUSTUS_SERVICE_HOST", "10.0.0.1")
        .by_variable("HOME", "/");
    assert_eq!(threads(&said.resolved()).1, "default");
}

#[test]
fn a_named_file_is_read_instead_of_that_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("other.toml");
    fs::write(&file, "threads = 7").unwrap();
    let path = file.to_str().unwrap();
    let by_variable = Said::nothing()
        .in_file("threads = 2")
        .by_variable("FAUSTUS_CONFIG", path);
    assert_eq!(
        threads(&by_variable.resolved()),
        (7, format!("{path}, line 1"))
    );
    let mut by_option = Said::nothing().by_variable("FAUSTUS_CONFIG", "/nowhere");
    by_option.options.config = Some(file);
    assert_eq!(threads(&by_option.resolved()).0, 7);
}

#[test]
fn a_named_file_that_is_not_there_is_a_mistake() {
    let said = Said::nothing().by_variable("FAUSTUS_CONFIG", "/nowhere/at-all.toml");
    let mistakes = said.mistakes();
    assert!(
        mistakes.contains("/nowhere/at-all.toml: it cannot be read"),
        "{mistakes}"
    );
}

#[test]
fn all_mistakes_of_all_layers_are_told_in_one_report() {
    let said = Said::nothing()
        .in_file("comit-interval = \"1 s\"\nthreads = 0\nstores = [1]\nnonsense = 1\n[bamk]\n")
        .in_code(|settings| settings.topic_partitions = 0)
        .by_variable("FAUSTUS_TREADS", "2")
        .by_variable("FAUSTUS_NONSENSE", "2")
        .by_variable("FAUSTUS_TASK_BYTES", "64")
        .by_option("session-timeout", "10")
        .by_option("log", "pigeon://ann:tulip@loft")
        .by_option("transaction-interval", "1 s");
    insta::assert_snapshot!(said.mistakes());
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let broken = [
        "threads = 2\nlog = memory://\n",
        "threads = 2\nthreads = 3\n",
        "[bank\nthreads = 3\n",
        "log = \"memory",
        "threads 2",
    ];
    let told = broken.map(|text| Said::nothing().in_file(text).mistakes());
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_does_not_go_together_is_told_with_where_it_was_said() {
    let said = [
        Said::nothing().by_option("transaction-interval", "1 s"),
        Said::nothing()
            .in_code(|settings| settings.guarantee = Guarantee::ExactlyOnce)
            .by_option("commit-interval", "2 s"),
        Said::nothing()
            .by_variable("FAUSTUS_ACCEPT_LOSS", "true")
            .in_file("log = \"memory://\""),
        Said::nothing().in_file("fsync = true\nlog = \"memory://\""),
        Said::nothing()
            .in_code(|settings| settings.kafka_delivery_timeout = Some(settings.session_timeout)),
        Said::nothing()
            .by_option("log", "/bank")
            .by_option("stores", "/bank/stores"),
    ];
    let told = said.map(Said::mistakes);
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_a_higher_layer_leaves_without_effect_is_passed_over() {
    let exactly_once = |said: Said| {
        said.in_code(|settings| settings.guarantee = Guarantee::ExactlyOnce)
            .read()
    };
    let in_file = |text: &str| Said::nothing().in_file(text);
    assert!(exactly_once(in_file("commit-interval = \"2 s\"")).is_ok());
    let shared = "commit-interval = \"2 s\"\n[bank]\nexactly-once = true\n";
    assert!(in_file(shared).read().is_ok());
    let below = in_file("transaction-interval = \"1 s\"").by_option("exactly-once", "false");
    assert!(below.read().is_ok());
    let elsewhere = in_file("fsync = true\naccept-loss = true").by_option("log", "memory://");
    assert!(elsewhere.read().is_ok());
}

#[test]
fn a_value_of_another_type_of_toml_is_a_mistake() {
    let text = "log = 7\nworker-id = true\nlog-file = 1.5\nthreads = \"2\"\ncommit-interval = 10\n";
    insta::assert_snapshot!(Said::nothing().in_file(text).mistakes());
}

#[test]
fn a_table_with_a_name_much_like_the_applications_is_a_mistake() {
    for near in ["bnk", "bnak", "Bank", "banks"] {
        let mistakes = Said::nothing()
            .in_file(&format!("[bank]\n[{near}]\n"))
            .mistakes();
        assert!(mistakes.contains("write [bank]"), "{near}: {mistakes}");
    }
    assert!(Said::nothing().in_file("[shop]\n[bank-2]\n").read().is_ok());
}

#[test]
fn a_variable_like_no_setting_is_told_without_a_guess() {
    let told = |name: &str| Said::nothing().by_variable(name, "1").mistakes();
    assert!(told("FAUSTUS_FOO").contains("there is no such setting; unset it"));
    assert!(told("FAUSTUS_LGO").contains("did you mean \"FAUSTUS_LOG\"?"));
}

#[test]
fn stores_and_log_do_not_share_a_directory() {
    let said = |log: &str, stores: &str| {
        Said::nothing()
            .by_option("log", log)
            .by_option("stores", stores)
            .read()
    };
    for (log, stores) in [
        ("/bank", "/bank"),
        ("/bank", "/bank/stores"),
        ("/bank/log", "/bank"),
        ("file:///bank", "/bank/../bank/./stores"),
        ("bank-data", "./bank-data/stores"),
    ] {
        let mistakes = said(log, stores).unwrap_err().to_string();
        assert!(
            mistakes.contains("stores (--stores)"),
            "{log} {stores}: {mistakes}"
        );
    }
    assert!(said("/bank/log", "/bank/log-stores").is_ok());
    assert!(said("memory://", "/bank").is_ok());
}

#[test]
fn a_shared_file_may_have_settings_of_another_log() {
    let said = Said::nothing()
        .in_file("kafka-linger = \"5 ms\"\ndisk-reserve = \"1 GiB\"")
        .by_option("log", "memory://");
    assert!(said.read().is_ok());
}

#[test]
fn secrets_are_not_shown() {
    let said = Said::nothing().by_option("log", "kafka://ann:tulip@loft:x");
    assert!(!format!("{:?}", said.options).contains("tulip"));
    assert!(!said.mistakes().contains("tulip"));
    let mut resolved = Said::nothing().resolved();
    resolved.settings.log = Some("kafka://ann:tulip@loft".into());
    for shown in [
        resolved.to_table(None),
        resolved.to_json(),
        format!("{resolved:?}"),
    ] {
        assert!(
            shown.contains("***@loft") && !shown.contains("tulip"),
            "{shown}"
        );
    }
}

#[test]
fn all_settings_are_shown_with_type_default_and_source() {
    let said = || {
        Said::nothing()
            .in_file("\nstores = \"bank-tables\"")
            .in_code(|settings| settings.guarantee = Guarantee::ExactlyOnce)
            .by_variable("FAUSTUS_EPOCH_BYTES", "1 MB")
            .by_option("threads", "2")
    };
    insta::assert_snapshot!(said().resolved().to_table(None));
    insta::assert_snapshot!(said().resolved().to_json());
}
