//! The JSON Schemas in docs/schema are those of the documents that the commands write. They are
//! written anew with `UPDATE_SCHEMAS=1`.

use std::path::Path;
use std::{env, fs};

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::*;
use crate::console::ErrorReport;
use crate::session::retire::RetirementReport;
use crate::session::write_files::FilesReport;

/// The schema of one of the documents of a command.
type Shape = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>() -> Shape {
    SchemaGenerator::subschema_for::<T>
}

/// Every command whose document is a struct, with each form that it takes.
fn commands() -> Vec<(&'static str, Vec<Shape>)> {
    vec![
        (
            "access",
            vec![
                of::<access::AccessReport<'_>>(),
                of::<access::WayReport<'_>>(),
                of::<RetirementReport>(),
            ],
        ),
        ("audit", vec![of::<audit::AuditReport>()]),
        ("backup", vec![of::<backup::EndedBackup>()]),
        ("contents", vec![of::<contents::ContentsReport<'_>>()]),
        ("copy", vec![of::<copy::CopyReport>()]),
        ("create", vec![of::<create::CreateReport>()]),
        ("demo", vec![of::<demo::DemoReport>()]),
        (
            "drill",
            vec![
                of::<drill::DrillReport>(),
                of::<drill::stock::StockReport>(),
            ],
        ),
        ("export", vec![of::<FilesReport>()]),
        ("install", vec![of::<install::InstallReport>()]),
        (
            "list",
            vec![of::<list::SourceReport>(), of::<list::iis::StoresReport>()],
        ),
        (
            "media",
            vec![
                of::<media::MediaReport<'_>>(),
                of::<media::MediumReport>(),
                of::<media::RetiredReport>(),
                of::<media::PolicyReport>(),
            ],
        ),
        ("repair", vec![of::<repair::RepairReport>()]),
        ("report", vec![of::<report::ShopReport>()]),
        ("request", vec![of::<request::RequestReport>()]),
        ("retire", vec![of::<retire::RetireReport>()]),
        ("selftest", vec![of::<selftest::SelftestReport>()]),
        (
            "restore",
            vec![of::<FilesReport>(), of::<restore::iis::IisReport>()],
        ),
        (
            "servers",
            vec![
                of::<servers::ServersReport>(),
                of::<servers::EnrolledReport>(),
                of::<servers::enrolment::EnrolmentRequestReport>(),
                of::<servers::enrolment::AddReport>(),
                of::<servers::rename::RenameReport>(),
                of::<servers::admit::AdmitReport>(),
                of::<RetirementReport>(),
            ],
        ),
        (
            "sheet",
            vec![of::<sheet::SheetReport>(), of::<sheet::CheckedReport>()],
        ),
        ("status", vec![of::<status::StatusReport<'_>>()]),
        ("undo", vec![of::<undo::UndoReport>()]),
        ("verify", vec![of::<verify::VerifyReport>()]),
    ]
}

/// Every document has the exit code, and is one of the forms or a failure.
fn schema(command: &str, forms: Vec<Shape>) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator = settings.into_generator();
    let mut any_of = Vec::new();
    for form in forms.into_iter().chain([of::<ErrorReport<'_>>()]) {
        any_of.push(form(&mut generator));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("pfxvault {command} --json"),
        "type": "object",
        "properties": { "exit": { "type": "integer", "minimum": 0, "maximum": 255 } },
        "required": ["exit"],
        "anyOf": any_of,
        "$defs": generator.take_definitions(true),
    })
}

#[test]
fn the_schemas_are_those_of_the_documents() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    let update = env::var_os("UPDATE_SCHEMAS").is_some();
    for (command, forms) in commands() {
        let path = folder.join(format!("{command}.json"));
        let text = serde_json::to_string_pretty(&schema(command, forms)).unwrap() + "\n";
        if update {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, text, "{command}: run with UPDATE_SCHEMAS=1");
    }
}
