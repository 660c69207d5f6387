"""What can be said: frozen values of the standard library, with the notations that name them."""
