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
# Keys of a model type that its class of today has no more, or under another name.
OWN_CONFIG = {
    "modernbert": (
        *("global_attn_every_n_layers", "global_rope_theta", "local_rope_theta", "sliding_window"),
        *("rope_scaling", "head_dim", "reference_compile", "repad_logits_with_grad"),
    ),
    "nomic_bert": (
        *("n_embd", "n_layer", "n_head", "n_inner", "n_positions", "layer_norm_epsilon"),
        *(
            "activation_function",
            "rotary_emb_base",
            "rotary_emb_fraction",
            "rotary_emb_interleaved",
        ),
        *("rotary_emb_scale_base", "rotary_scaling_factor", "prenorm", "parallel_block", "causal"),
        *("use_rms_norm", "qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias", "num_experts"),
        *("attn_pdrop", "embd_pdrop", "resid_pdrop", "fused_bias_fc", "fused_dropout_add_ln"),
        *("use_flash_attn", "use_xentropy", "dense_seq_output", "last_layer_subset"),
        *("pad_vocab_size_multiple", "max_trained_positions", "reorder_and_upcast_attn"),
        *("scale_attn_by_inverse_layer_idx", "scale_attn_weights", "mlp_fc1_bias"),
        *("parallel_block_tied_norm", "ffn_div", "expert_choice_router", "moe_every_n_layers"),
        *("moe_top_k", "moe_impl", "moe_normalize_expert_weights", "moe_resid_pdrop"),
        *("num_shared_experts", "add_pooling_layer", "router_aux_loss_coef", "logit_scale"),
    ),
}
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
