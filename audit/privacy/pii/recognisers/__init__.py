"""Recognisers, one family a file: each is a function from a text to what it finds there.

They know shapes, check digits and public words of context ("order #", "订单号"); none
knows a value. What finds nothing personal in a number keeps quiet: bar codes, versions,
prices and sizes are most of the digits of a shop.
"""
