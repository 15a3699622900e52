"""What clustering did in words and figures, the same on a page, a card and a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_bert.records.training import Clustering, ShippedSize
from edge_bert.text import NOT_KNOWN, byte_size

PACKINGS = {
    "as it is": "file_bytes",
    "in a zip archive, as an app has it": "zip_bytes",
    "by zstd -19": "zstd_bytes",
    "bsdiff patch of an update": "patch_bytes",
}


@dataclass(frozen=True)
class SizeRow:
    """The bytes of a packed file, of the unclustered model (None where it has none) and of this."""

    packing: str
    before: int | None
    after: int

    @property
    def change(self) -> str:
        """By how much of its bytes the file grew or shrank."""
        if self.before is None:
            return NOT_KNOWN
        return f"{self.after / self.before - 1:+.1%}".replace("-", "\N{MINUS SIGN}")

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The row of a table: packing, before, after, change."""
        before = NOT_KNOWN if self.before is None else byte_size(self.before)
        return self.packing, before, byte_size(self.after), self.change


def list_sizes(clustering: Clustering) -> list[SizeRow]:
    """The file in each packing; empty where no file was built."""
    return [
        row
        for before, after in zip(clustering.unclustered, clustering.clustered, strict=True)
        for row in _compare_sizes(before, after)
    ]


def tell_clustering(clustering: Clustering) -> str:
    """Codebooks, bits and error in a sentence."""
    priced = f" at an entropy of weight {clustering.entropy:g}" if clustering.entropy else ""
    return (
        f"At most {clustering.centroids} integers in each matrix and in the word table{priced}: "
        f"{clustering.bits:.2f} bits of entropy a weight, {clustering.bits_before:.2f} without; "
        f"squared error {clustering.error:.2%} of the weights' squares."
    )


def name_file(clustering: Clustering) -> str:
    """Which file the sizes are of."""
    recipes = ", ".join(size.recipe for size in clustering.clustered)
    return (
        f"{recipes} with one length; the patch is from the unclustered file"
        if recipes
        else "no file was built: Keras did not compute on TensorFlow"
    )


def _compare_sizes(before: ShippedSize, after: ShippedSize) -> Iterator[SizeRow]:
    for packing, field in PACKINGS.items():
        size = getattr(after, field)
        if size is not None:
            yield SizeRow(packing, getattr(before, field), size)
