"""Long runs on what other people publish; `pytest -m campaign` starts them."""
