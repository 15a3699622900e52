"""The keys of sentence-transformers' files: those of the model and of each of its modules."""

from __future__ import annotations

import dataclasses

from edge_bert.sources.keys.table import KeyTable

MODEL = KeyTable(
    obeyed=("prompts", "default_prompt_name", "truncate_dim", "model_type", "activation_fn"),
    harmless=(
        *("__version__", "similarity_fn_name", "model_card_data", "_name_or_path"),
        "keep_in_fp32_modules",
    ),
)
MODULE_ENTRY = KeyTable(
    obeyed=("type", "path"),
    harmless=("idx", "name"),
    fixed={"kwargs": ([], None)},
    strict=True,
)
TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
TRANSFORMER = KeyTable(
    obeyed=(
        *("max_seq_length", "do_lower_case", "tokenizer_args", "processor_kwargs"),
        *("model_args", "model_kwargs"),
    ),
    harmless=("unpad_inputs", "transformers_version"),
    fixed={
        "transformer_task": ("feature-extraction",),
        "modality_config": (TEXT_ONLY,),
        "module_output_name": ("token_embeddings",),
        "processing_kwargs": ({}, None),
        "query_length": (None,),
        "document_length": (None,),
        "query_expansion": (None,),
        "tokenizer_name_or_path": (None,),
        "config_args": ({}, None),
        "config_kwargs": ({}, None),
    },
    strict=True,
)
# A CrossEncoder's, whose encoder has transformers' classifier on it.
SCORING_TRANSFORMER = dataclasses.replace(
    TRANSFORMER,
    fixed={
        **TRANSFORMER.fixed,
        "transformer_task": ("sequence-classification",),
        "modality_config": ({"text": {"method": "forward", "method_output_name": "logits"}},),
        "module_output_name": ("scores",),
    },
)
# Ways to load the weights; what the model computes is the same but for rounding.
LOADING = KeyTable(
    harmless=(
        *("attn_implementation", "torch_dtype", "dtype", "use_safetensors", "low_cpu_mem_usage"),
        *("add_pooling_layer", "device_map", "_fast_init", "trust_remote_code"),
    ),
    strict=True,
)
# Options of AutoTokenizer, which it gets from us as it gets them from sentence-transformers.
TOKENIZING = KeyTable(
    obeyed=(
        *("model_max_length", "truncation_side", "do_lower_case", "strip_accents"),
        *("tokenize_chinese_chars", "add_prefix_space", "unk_token", "sep_token", "pad_token"),
        *("cls_token", "mask_token", "bos_token", "eos_token"),
    ),
    harmless=("use_fast", "padding_side", "clean_up_tokenization_spaces", "trust_remote_code"),
    strict=True,
)
POOLING = KeyTable(
    obeyed=(
        *("pooling_mode", "pooling_mode_cls_token", "pooling_mode_max_tokens"),
        *("pooling_mode_mean_tokens", "pooling_mode_mean_sqrt_len_tokens"),
        *("pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken", "include_prompt"),
    ),
    harmless=("word_embedding_dimension", "embedding_dimension"),
    strict=True,
)
# Their values are checked where they are read, in module_kinds.
MODULES = {
    "Pooling": POOLING,
    "Normalize": KeyTable(obeyed=("module_input_name", "module_output_name"), strict=True),
    "Dense": KeyTable(
        obeyed=(
            *("in_features", "out_features", "bias", "activation_function", "use_residual"),
            *("module_input_name", "module_output_name"),
        ),
        strict=True,
    ),
    "LayerNorm": KeyTable(obeyed=("dimension",), strict=True),
    "Dropout": KeyTable(harmless=("dropout",), strict=True),
}
