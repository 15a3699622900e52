"""The model: its config, its weights as typed views of a layer, and its forward passes.

`config` and `weights` are the records, `checkpoint` reads them through `architectures`. The pass is
written twice: in Keras (`keras_*`), which is trained and exported, and in numpy (`numpy_forward`),
which shows every value on the way.
"""
