"""The checks of `dbctl health`: a module each, which exports one CHECK."""
