//! The JSON Schema of experiment files, so that editors complete and check them.
//!
//! Keys and types come from [`ExperimentFile`], the type into which files are read. The possible environments
//! and workloads come from the known drivers and workloads.

use crate::file::{ExperimentFile, Known, Sort, given_key, kind_schema};
use isotare_core::SettingDef;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The schema of experiment files that may name these drivers and workloads.
pub fn json_schema(drivers: &[Known<'_>], workloads: &[Known<'_>]) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(|schema: &mut Schema| no_null(schema)));
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<ExperimentFile>().to_value();
    let environment = environment(drivers);
    let places = [
        (
            "/properties/baseline",
            described(&environment, "Baseline: the environment that the others are compared with."),
        ),
        ("/properties/environments/items", environment),
        ("/properties/workload/items", workload(workloads)),
    ];
    for (place, content) in places {
        if let Some(found) = schema.pointer_mut(place) {
            *found = content;
        }
    }
    schema
}

/// TOML has no null: a key that is not given is absent.
fn no_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [only] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            if let (Value::Object(only), Some(object)) = (only, schema.as_object_mut()) {
                only.into_iter().for_each(|(key, value)| {
                    object.entry(key).or_insert(value);
                });
            }
        }
    }
}

fn described(schema: &Value, description: &str) -> Value {
    let mut schema = schema.clone();
    schema["description"] = description.into();
    schema
}

fn environment(drivers: &[Known<'_>]) -> Value {
    let names: Vec<&str> = drivers.iter().map(|driver| driver.name).collect();
    let text = json!({
        "type": "string",
        "pattern": format!("^({})(:.+)?(#.+)?$", names.join("|").replace('.', "\\.")),
        "examples": names,
    });
    let tables = drivers.iter().map(|driver| table(given_key(Sort::Driver), driver, kind));
    json!({"anyOf": std::iter::once(text).chain(tables).collect::<Vec<_>>()})
}

fn workload(workloads: &[Known<'_>]) -> Value {
    let command: &[SettingDef] =
        workloads.iter().find(|known| known.name == "command").map_or(&[], |known| known.settings);
    let mut properties = properties(command, kind_or_list);
    properties.remove("argv");
    let argv = json!({
        "description": "A program of the host and its arguments.",
        "type": "array", "items": {"type": "string"}, "minItems": 1,
    });
    properties.insert("command".to_owned(), argv);
    let command = json!({"type": "object", "properties": properties, "required": ["command"], "additionalProperties": false});
    let named = workloads.iter().filter(|known| known.name != "command");
    let tables = named.map(|known| table(given_key(Sort::Workload), known, kind_or_list));
    json!({"anyOf": tables.chain(std::iter::once(command)).collect::<Vec<_>>()})
}

fn table(key: &str, known: &Known<'_>, value: fn(&SettingDef) -> Value) -> Value {
    let mut properties = properties(known.settings, value);
    properties.insert(key.to_owned(), json!({"const": known.name}));
    json!({"type": "object", "properties": properties, "required": [key], "additionalProperties": false})
}

fn properties(settings: &[SettingDef], value: fn(&SettingDef) -> Value) -> Map<String, Value> {
    let property = |def: &SettingDef| {
        let mut schema = value(def);
        schema["description"] = def.help.into();
        if let Some(default) = def.default.and_then(|text| def.kind.parse(text).map(|value| (text, value))) {
            schema["default"] = match default {
                (_, isotare_core::Value::Flag(flag)) => flag.into(),
                (text, isotare_core::Value::Integer(n)) if n.to_string() == text => n.into(),
                (text, _) => text.into(),
            };
        }
        (def.key.to_owned(), schema)
    };
    settings.iter().map(property).collect()
}

fn kind(def: &SettingDef) -> Value {
    kind_schema(&def.kind).to_value()
}

fn kind_or_list(def: &SettingDef) -> Value {
    json!({"anyOf": [kind(def), {"type": "array", "items": kind(def), "minItems": 1}]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use isotare_core::Kind;

    #[test]
    fn the_schema_has_every_key_driver_and_setting() {
        let accel = SettingDef {
            key: "accel",
            kind: Kind::Choice(&["kvm", "tcg"]),
            default: Some("kvm"),
            help: "The accelerator",
        };
        let prime = SettingDef {
            key: "max-prime",
            kind: Kind::Integer { min: 3, max: u64::MAX },
            default: Some("10000"),
            help: "Largest number tested",
        };
        let schema = json_schema(
            &[Known { name: "native", settings: &[] }, Known { name: "qemu", settings: &[accel] }],
            &[Known { name: "cpu", settings: &[prime] }],
        );
        let text = serde_json::to_string_pretty(&schema).expect("a value prints");
        insta::assert_snapshot!(text, @r##"
    {
      "$defs": {
        "BudgetTable": {
          "additionalProperties": false,
          "description": "CPUs, memory and processes of every instance.",
          "properties": {
            "cpus": {
              "description": "CPUs to which every instance is pinned, such as 0-1.",
              "minimum": 0,
              "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$",
              "type": [
                "integer",
                "string"
              ]
            },
            "memory": {
              "description": "Memory limit, such as 1G.",
              "minimum": 0,
              "pattern": "^[0-9]+([kKmMgGtT]([iI]?[bB])?|[bB])?$",
              "type": [
                "integer",
                "string"
              ]
            },
            "processes": {
              "description": "Maximum number of processes and threads together.",
              "format": "uint32",
              "minimum": 0,
              "type": "integer"
            }
          },
          "type": "object"
        },
        "SamplersTable": {
          "additionalProperties": false,
          "description": "Which counters of the host are read during the measurement, and how often.",
          "properties": {
            "rate": {
              "description": "Number of readings per second; 0: only at the start and at the end.",
              "format": "double",
              "type": "number"
            }
          },
          "type": "object"
        }
      },
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "additionalProperties": false,
      "description": "An experiment for isotare.",
      "properties": {
        "accept-different-output": {
          "description": "Whether trials count in which a command wrote a different output than always in the baseline.",
          "type": "boolean"
        },
        "baseline": {
          "anyOf": [
            {
              "examples": [
                "native",
                "qemu"
              ],
              "pattern": "^(native|qemu)(:.+)?(#.+)?$",
              "type": "string"
            },
            {
              "additionalProperties": false,
              "properties": {
                "driver": {
                  "const": "native"
                }
              },
              "required": [
                "driver"
              ],
              "type": "object"
            },
            {
              "additionalProperties": false,
              "properties": {
                "accel": {
                  "default": "kvm",
                  "description": "The accelerator",
                  "enum": [
                    "kvm",
                    "tcg"
                  ],
                  "type": "string"
                },
                "driver": {
                  "const": "qemu"
                }
              },
              "required": [
                "driver"
              ],
              "type": "object"
            }
          ],
          "description": "Baseline: the environment that the others are compared with."
        },
        "blocks": {
          "description": "Number of blocks: how often each condition runs.",
          "format": "uint32",
          "minimum": 0,
          "type": "integer"
        },
        "budget": {
          "$ref": "#/$defs/BudgetTable",
          "description": "CPUs, memory and processes of every instance."
        },
        "environments": {
          "description": "The environments to compare.",
          "items": {
            "anyOf": [
              {
                "examples": [
                  "native",
                  "qemu"
                ],
                "pattern": "^(native|qemu)(:.+)?(#.+)?$",
                "type": "string"
              },
              {
                "additionalProperties": false,
                "properties": {
                  "driver": {
                    "const": "native"
                  }
                },
                "required": [
                  "driver"
                ],
                "type": "object"
              },
              {
                "additionalProperties": false,
                "properties": {
                  "accel": {
                    "default": "kvm",
                    "description": "The accelerator",
                    "enum": [
                      "kvm",
                      "tcg"
                    ],
                    "type": "string"
                  },
                  "driver": {
                    "const": "qemu"
                  }
                },
                "required": [
                  "driver"
                ],
                "type": "object"
              }
            ]
          },
          "type": "array"
        },
        "image": {
          "description": "Root file system of every environment that needs one and does not name one.",
          "minLength": 1,
          "type": "string"
        },
        "keep-output": {
          "description": "Whether all output of workloads is kept, not only the first and last 64 KiB of each stream.",
          "type": "boolean"
        },
        "level": {
          "description": "Confidence level of intervals.",
          "exclusiveMaximum": 1,
          "exclusiveMinimum": 0,
          "pattern": "^[0-9.]+ *%$",
          "type": [
            "number",
            "string"
          ]
        },
        "margin": {
          "description": "Equivalence margin: differences smaller than this count as no difference.",
          "exclusiveMaximum": 1,
          "exclusiveMinimum": 0,
          "pattern": "^[0-9.]+ *%$",
          "type": [
            "number",
            "string"
          ]
        },
        "max-blocks": {
          "description": "Maximum number of blocks.",
          "format": "uint32",
          "minimum": 0,
          "type": "integer"
        },
        "min-blocks": {
          "description": "Minimum number of blocks. They run even if the time limit is over.",
          "format": "uint32",
          "minimum": 0,
          "type": "integer"
        },
        "name": {
          "description": "Name of the experiment in reports.",
          "type": "string"
        },
        "null-test": {
          "description": "Whether the baseline is also compared with itself (the null test).",
          "type": "boolean"
        },
        "output-limit": {
          "description": "Limit for what a workload may write to standard output and standard error together in a trial.",
          "minimum": 0,
          "pattern": "^[0-9]+([kKmMgGtT]([iI]?[bB])?|[bB])?$",
          "type": [
            "integer",
            "string"
          ]
        },
        "precision": {
          "description": "The session stops once every interval is at most this wide on either side, such as 0.01.",
          "exclusiveMaximum": 1,
          "exclusiveMinimum": 0,
          "pattern": "^[0-9.]+ *%$",
          "type": [
            "number",
            "string"
          ]
        },
        "repeats": {
          "description": "Largest fraction of the blocks that may be repeated because something else disturbed them.",
          "maximum": 1,
          "minimum": 0,
          "pattern": "^[0-9.]+ *%$",
          "type": [
            "number",
            "string"
          ]
        },
        "samplers": {
          "$ref": "#/$defs/SamplersTable",
          "description": "Which counters of the host are read during the measurement, and how often."
        },
        "seed": {
          "description": "Seed of the random order.",
          "format": "uint64",
          "minimum": 0,
          "type": "integer"
        },
        "time": {
          "description": "Time limit: no block is started that would probably end later than this.",
          "minimum": 0,
          "pattern": "^[0-9.]+(us|ms|s|m|min|h)?$",
          "type": [
            "number",
            "string"
          ]
        },
        "timeout": {
          "description": "Timeout of each phase of a trial.",
          "minimum": 0,
          "pattern": "^[0-9.]+(us|ms|s|m|min|h)?$",
          "type": [
            "number",
            "string"
          ]
        },
        "workload": {
          "description": "The workloads. If the value of a setting is a list, there is one workload for each item of the list.",
          "items": {
            "anyOf": [
              {
                "additionalProperties": false,
                "properties": {
                  "max-prime": {
                    "anyOf": [
                      {
                        "minimum": 3,
                        "type": "integer"
                      },
                      {
                        "items": {
                          "minimum": 3,
                          "type": "integer"
                        },
                        "minItems": 1,
                        "type": "array"
                      }
                    ],
                    "default": 10000,
                    "description": "Largest number tested"
                  },
                  "name": {
                    "const": "cpu"
                  }
                },
                "required": [
                  "name"
                ],
                "type": "object"
              },
              {
                "additionalProperties": false,
                "properties": {
                  "command": {
                    "description": "A program of the host and its arguments.",
                    "items": {
                      "type": "string"
                    },
                    "minItems": 1,
                    "type": "array"
                  }
                },
                "required": [
                  "command"
                ],
                "type": "object"
              }
            ]
          },
          "type": "array"
        }
      },
      "required": [
        "environments",
        "workload"
      ],
      "title": "isotare experiment",
      "type": "object"
    }
    "##);
    }
}
