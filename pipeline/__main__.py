"""`python -m pipeline` is the console script `streamledger`."""

from pipeline.cli import main

main()
