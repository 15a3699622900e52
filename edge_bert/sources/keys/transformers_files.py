"""The keys of transformers' files: config.json and those of the tokenizer."""

from __future__ import annotations

from edge_bert.sources.keys.table import KeyTable

# The keys of the model type's own configuration class are known beside these.
CONFIG = KeyTable(
    obeyed=(
        *("architectures", "model_type", "id2label", "num_labels", "problem_type"),
        *("tokenizer_class", "sentence_transformers", "position_embedding_type"),
        "sbert_ce_default_activation_function",
    ),
    harmless=(
        *("label2id", "_name_or_path", "name_or_path", "transformers_version", "auto_map"),
        *("torch_dtype", "dtype", "torchscript", "use_bfloat16", "use_cache", "return_dict"),
        *("output_attentions", "output_hidden_states", "chunk_size_feed_forward"),
        *("attention_probs_dropout_prob", "hidden_dropout_prob", "classifier_dropout"),
        *("classifier_dropout_prob", "initializer_range"),
        *("initializer_factor", "gradient_checkpointing", "tie_word_embeddings"),
        *("bos_token_id", "eos_token_id", "sep_token_id", "decoder_start_token_id"),
        *("finetuning_task", "task_specific_params", "_attn_implementation", "attn_implementation"),
        *("_attn_implementation_autoset", "attn_implementation_internal", "use_return_dict"),
        *("directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers"),
        *("pooler_size_per_head", "pooler_type", "output_past", "model_name", "language"),
        *("down_scale_factor", "gap_size", "net_structure_type", "num_memory_blocks"),
        *("summary_activation", "summary_first_dropout", "summary_last_dropout", "summary_type"),
        *("summary_proj_to_labels", "summary_use_proj", "prefix", "predict_special_tokens"),
        *("sinusoidal_pos_embds", "n_ctx", "xla_device", "license", "_commit_hash"),
        *("do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty"),
        *("temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty"),
        *("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "max_length"),
        *("min_length", "num_return_sequences", "output_scores", "return_dict_in_generate"),
        *("forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values"),
        *("exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens"),
        *("tf_legacy_loss", "cross_attention_hidden_size"),
    ),
    fixed={
        "is_decoder": (False, None),
        "add_cross_attention": (False, None),
        "is_encoder_decoder": (False, None),
        "pruned_heads": ({}, None),
        "quantization_config": (None,),
        "compression_config": (None,),
        "adapters": (None, {}),
    },
)
TOKENIZER = KeyTable(
    obeyed=(
        *("tokenizer_class", "do_lower_case", "strip_accents", "tokenize_chinese_chars"),
        *("model_max_length", "max_len", "truncation_side", "add_prefix_space", "trim_offsets"),
        *("unk_token", "sep_token", "pad_token", "cls_token", "mask_token", "bos_token"),
        *("eos_token", "additional_special_tokens", "extra_special_tokens"),
        *("added_tokens_decoder", "model_input_names", "split_special_tokens", "init_inputs"),
        *("add_bos_token", "add_eos_token", "keep_accents", "remove_space", "sp_model_kwargs"),
        *("auto_map", "errors", "legacy", "model_specific_special_tokens"),
        *("add_dummy_prefix", "normalization", "never_split"),
    ),
    harmless=(
        *(
            "name_or_path",
            "special_tokens_map_file",
            "tokenizer_file",
            "vocab_file",
            "_commit_hash",
        ),
        *("merges_file", "clean_up_tokenization_spaces", "chat_template", "padding_side"),
        *("pad_token_type_id", "pad_to_multiple_of", "processor_class", "max_length", "stride"),
        *("truncation_strategy", "padding", "truncation", "use_fast", "return_tensors"),
        *("backend", "is_local", "local_files_only", "files_loaded", "wordpieces_prefix"),
        *("clean_text", "do_basic_tokenize", "full_tokenizer_file", "response_template"),
        *("language", "trust_remote_code", "_from_auto", "verbose"),
        *("special_tokens_map", "cache_dir", "use_auth_token"),
    ),
)
SPECIAL_TOKENS = KeyTable(
    obeyed=(
        *("unk_token", "sep_token", "pad_token", "cls_token", "mask_token", "bos_token"),
        *("eos_token", "additional_special_tokens", "extra_special_tokens"),
    )
)
