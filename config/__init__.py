"""The settings and the model catalogue that Agora ships."""
