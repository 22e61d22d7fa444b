"""The command line: commands parse, call and print (CONTRACT §6); no command holds logic.

One module per command, imported only when its command runs, so that `streamledger --help` needs none of them.
May import every room; nothing imports it but `pipeline.__main__` and the console script.
"""

from pipeline.cli.shell import main

__all__ = ["main"]
