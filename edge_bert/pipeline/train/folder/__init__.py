"""The folder of a trained model: weights and configuration, record, model card."""
