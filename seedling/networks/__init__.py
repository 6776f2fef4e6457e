"""The networks: the seedling itself, the tokenizer, and the judges of what it draws."""
