"""Records as rows of FOCUS 1.2, the FinOps Open Cost and Usage Specification, as CSV or Parquet (ECOSYSTEM §4).

Charges (`charge`) are what a record costs, meter by meter; columns (`columns`) say how a charge stands in a row; a
dataset (`dataset`) gathers rows, one by one or by hour or day, and writes them (`file`). Imports its siblings, pricing
and errors; DuckDB where Parquet is written.
"""
