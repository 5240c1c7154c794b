"""From the operations of a model to the layers of an integer network, whatever format the model file has.

`symbols` says what a value is while an importer reads the graph, `network_builder` holds the layers made so far. A
rule of a format calls `linear` for weights, `pools` for windows without weights, `shortcuts` for the sum of two
branches, and `quantise` where a chain of scalar operations ends in codes; `endings` ends the network, `simplify` merges
layers, and `provenance` keeps which codes stand for which tensor of the file.
"""
