"""ONNX files, with the operators of QONNX: `graph` reads and checks a file, `importer` applies a rule to each node.

A new operator takes three entries:

1. a rule in a module of `onnx.operators`, in the table at the end of that module;
2. in `constants`, if weights may come out of it;
3. its name in `execution.operators.OPERATORS`, so that the comparison with the file runs it with ONNX's reference
   implementation; what makes larger tensors than it takes belongs into the table of sizes there, too.

`operators.refusals` says of each operator without a rule why it is refused, and what to do instead.
"""

from .importer import import_onnx

__all__ = ["import_onnx"]
