"""Write the grid: all prompts and all seeds as one picture to zoom into, in any order."""

from analysis.publish.grid.write import GridPlan, plan_grid, write_grid

__all__ = ["GridPlan", "plan_grid", "write_grid"]
