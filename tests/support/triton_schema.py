"""Triton's schema of a configuration: the messages and fields that are used here, as its protocol has them.

Protobuf's own parser of text then refuses what is misspelt, of another type, or said twice.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

# Message to its fields: name, number, kind, and `*` where it may stand several times. A kind is one of
# protobuf's, an enumeration of `ENUMS`, another message, or `map` to one of these.
MESSAGES = {
    "ModelConfig": """
        name 1 string; platform 2 string; backend 17 string; version_policy 3 VersionPolicy
        max_batch_size 4 int32; input 5 Input *; output 6 Output *; optimization 12 Optimization
        dynamic_batching 11 DynamicBatching; ensemble_scheduling 15 Ensembling
        instance_group 7 InstanceGroup *; default_model_filename 8 string
        parameters 14 map:Parameter; model_warmup 16 Warmup *
    """,
    "VersionPolicy": "latest 1 Latest; all 2 All; specific 3 Specific",
    "Latest": "num_versions 1 uint32",
    "All": "",
    "Specific": "versions 1 int64 *",
    "Reshape": "shape 1 int64 *",
    "Input": "name 1 string; data_type 2 DataType; dims 4 int64 *; reshape 5 Reshape",
    "Output": """
        name 1 string; data_type 2 DataType; dims 3 int64 *; reshape 5 Reshape; label_filename 4 string
    """,
    "Optimization": "execution_accelerators 4 Accelerators",
    "Accelerators": """
        gpu_execution_accelerator 1 Accelerator *; cpu_execution_accelerator 2 Accelerator *
    """,
    "Accelerator": "name 1 string; parameters 2 map:string",
    "DynamicBatching": "preferred_batch_size 1 int32 *; max_queue_delay_microseconds 2 uint64",
    "Ensembling": "step 1 Step *",
    "Step": """
        model_name 1 string; model_version 2 int64; input_map 3 map:string; output_map 4 map:string
    """,
    "InstanceGroup": "count 2 int32; gpus 3 int32 *; kind 4 Kind",
    "Parameter": "string_value 1 string",
    "Warmup": "name 1 string; batch_size 2 uint32; inputs 3 map:WarmupInput; count 4 uint32",
    "WarmupInput": "data_type 1 DataType; dims 2 int64 *; zero_data 3 bool",
}
ENUMS = {
    "DataType": """
        INVALID BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 STRING BF16
    """,
    "Kind": "AUTO GPU CPU MODEL",
}
_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "triton"


def parse(text: str) -> Any:
    """A configuration from its text; raises google.protobuf.text_format.ParseError."""
    return text_format.Parse(text, _classes()[f"{_PACKAGE}.ModelConfig"]())


@cache
def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="triton.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, words in ENUMS.items():
        enum = file.enum_type.add(name=name)
        prefix = {"DataType": "TYPE", "Kind": "KIND"}[name]
        for number, word in enumerate(words.split()):
            enum.value.add(name=f"{prefix}_{word}", number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for line in fields.replace("\n", ";").split(";"):
            if line.strip():
                _add_field(message, *line.split())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        f"{_PACKAGE}.{name}": message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")
        )
        for name in MESSAGES
    }


def _add_field(message: Any, name: str, number: str, kind: str, many: str = "") -> None:
    word, _, value = kind.partition(":")
    field = message.field.add(name=name, number=int(number))
    field.label = _FIELD.LABEL_REPEATED if many or value else _FIELD.LABEL_OPTIONAL
    if value:
        entry = "".join(part.title() for part in name.split("_")) + "Entry"
        nested = message.nested_type.add(name=entry)
        nested.options.map_entry = True
        _set_kind(nested.field.add(name="key", number=1, label=_FIELD.LABEL_OPTIONAL), "string")
        _set_kind(nested.field.add(name="value", number=2, label=_FIELD.LABEL_OPTIONAL), value)
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}.{entry}"
    else:
        _set_kind(field, word)


def _set_kind(field: Any, kind: str) -> None:
    if kind in ENUMS or kind in MESSAGES:
        field.type = _FIELD.TYPE_ENUM if kind in ENUMS else _FIELD.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    else:
        field.type = getattr(_FIELD, f"TYPE_{kind.upper()}")
