"""The normal form: what a caller asks and what a model answers, in no provider's own words.

Every client's shape is read into it and written from it (``dialects``), every provider's shape likewise
(``providers``), so that n shapes of callers and m of providers need n + m translations.
"""
