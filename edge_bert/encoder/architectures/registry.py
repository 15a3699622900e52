"""All architectures, by the model type that config.json names."""

from __future__ import annotations

from edge_bert.encoder.architectures.albert import ALBERT
from edge_bert.encoder.architectures.architecture import Architecture
from edge_bert.encoder.architectures.bert import BERT
from edge_bert.encoder.architectures.custom import CustomArchitecture
from edge_bert.encoder.architectures.distilbert import DISTILBERT
from edge_bert.encoder.architectures.electra import ELECTRA
from edge_bert.encoder.architectures.gpt2 import GPT2
from edge_bert.encoder.architectures.mobilebert import MOBILEBERT
from edge_bert.encoder.architectures.modernbert import MODERNBERT
from edge_bert.encoder.architectures.mpnet import MPNET
from edge_bert.encoder.architectures.nomic_bert import NOMIC_BERT
from edge_bert.encoder.architectures.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA

ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        *(BERT, DISTILBERT, ROBERTA, XLM_ROBERTA, CAMEMBERT),
        *(ALBERT, ELECTRA, MPNET),
    )
}
# Their layers are not BERT's: they have Keras models of their own, and no integer graph.
CUSTOM: dict[str, CustomArchitecture] = {
    architecture.name: architecture for architecture in (MOBILEBERT, GPT2, MODERNBERT, NOMIC_BERT)
}
